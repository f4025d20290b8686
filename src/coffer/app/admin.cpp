#include "coffer/app/admin.hpp"

#include "coffer/api/problem.hpp"
#include "coffer/app/process_metrics.hpp"
#include "coffer/base/metrics.hpp"

namespace coffer::app {

namespace {

constexpr std::string_view metrics_type = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace

http::eventual_response admin::handle(http::request& r) {
  if (r.verb == http::method::options && r.path() == "*") {
    http::response answer{204};
    answer.add("Allow", "GET, HEAD");
    return answer;
  }
  const bool read = r.verb == http::method::get || r.verb == http::method::head;
  const bool known = r.path() == "/metrics" || r.path() == "/livez";
  if (!known) {
    return api::problem(error{errc::not_found}, r.request_id);
  }
  if (!read) {
    http::response answer = api::problem(error{errc::method_not_allowed}, r.request_id);
    answer.add("Allow", "GET, HEAD");
    return answer;
  }
  if (r.path() == "/livez") {
    return http::response{200, http::json_type, R"({"status":"alive"})"};
  }
  return http::response{200, metrics_type, metrics::render() + process_metrics()};
}

http::response admin::reject(const http::rejection& why, const http::request& r) {
  return api::problem(why, r.request_id);
}

}  // namespace coffer::app
