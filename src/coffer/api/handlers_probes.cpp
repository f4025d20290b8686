#include "coffer/api/handlers.hpp"
#include "coffer/api/render.hpp"

namespace coffer::api {

http::response livez(context&, call) { return {200, http::json_type, R"({"status":"alive"})"}; }

net::task<http::response> readyz(context& with, call c) {
  const service::health_report report = co_await with.health.check(c.request.deadline);
  http::response answer{report.ready ? 200 : 503, http::json_type, render_body(report)};
  if (!report.ready) {
    answer.add("Retry-After", "1");
  }
  co_return answer;
}

net::task<http::response> healthz(context& with, call c) {
  const service::health_report report = co_await with.health.check(c.request.deadline);
  co_return http::response{200, http::json_type, render_body(report)};
}

}  // namespace coffer::api
