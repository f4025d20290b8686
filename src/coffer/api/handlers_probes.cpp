#include "coffer/api/handlers.hpp"
#include "coffer/json/writer.hpp"

namespace coffer::api {

namespace {

http::response report_body(int status, const service::health_report& report) {
  std::string body;
  json::writer out{body};
  out.begin_object();
  out.key("status");
  out.value(report.ready ? "ready" : report.draining ? "draining" : "not ready");
  out.key("database");
  out.value(report.database ? "up" : "down");
  out.key("cache");
  out.value(report.cache);
  out.key("message");
  if (report.message.empty()) {
    out.null();
  } else {
    out.value(report.message);
  }
  out.end_object();
  return {status, http::json_type, std::move(body)};
}

}  // namespace

http::response livez(context&, call) { return {200, http::json_type, R"({"status":"alive"})"}; }

net::task<http::response> readyz(context& with, call c) {
  const service::health_report report = co_await with.health.check(c.request.deadline);
  http::response answer = report_body(report.ready ? 200 : 503, report);
  if (!report.ready) {
    answer.add("Retry-After", "1");
  }
  co_return answer;
}

net::task<http::response> healthz(context& with, call c) {
  const service::health_report report = co_await with.health.check(c.request.deadline);
  co_return report_body(200, report);
}

}  // namespace coffer::api
