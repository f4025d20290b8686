// /livez, /readyz and /healthz: for load balancers and operators.
#pragma once

#include "coffer/api/answers.hpp"
#include "coffer/api/openapi/samples.hpp"
#include "coffer/service/health.hpp"

namespace coffer::api {

template <typename Sink>
void members_of(Sink& out, const service::health_report& report) {
  static constexpr std::string_view states[] = {"ready", "not ready", "draining"};
  static constexpr std::string_view database_states[] = {"up", "down"};
  static constexpr std::string_view schema_states[] = {"ready", "missing", "older", "newer", "unfit", "unknown"};
  static constexpr std::string_view cache_states[] = {"up", "down", "off"};
  out.called("Health");
  out.member("status", report.ready ? states[0] : states[report.draining ? 2 : 1], {.names = states});
  out.member("database", database_states[report.database ? 0 : 1],
             {.text = "Whether it answers.", .names = database_states});
  out.member(
      "schema", report.schema,
      {.text = "Whether it is the one that this server needs. unfit: the database itself cannot be used; unknown: "
               "it could not be read.",
       .names = schema_states});
  out.member("cache", report.cache.state, {.text = "Never a reason not to be ready.", .names = cache_states});
  out.nullable("message", report.message, {.text = "Why not ready, with the next step.", .maximum = longest_detail});
  const std::string& why = report.cache.message;
  out.if_any("cache_message", why.empty() ? std::nullopt : std::optional<std::string_view>{why},
             {.text = "Why the cache cannot be used although it answers.", .maximum = longest_detail});
}

/// That the process answers.
struct alive {};

template <typename Sink>
void members_of(Sink& out, const alive&) {
  static constexpr std::string_view states[] = {"alive"};
  out.called("Alive");
  out.member("status", states[0], {.names = states});
}

inline http::response livez(context&, call) { return ok(alive{}); }

inline void add_probe_shapes(shapes& all, const document_facts&) {
  all.add(samples::health());
  all.add(alive{});
}

inline description describe_livez(const document_facts&) {
  return {.id = "getLiveness",
          .tag = "Probes",
          .summary = "Whether the process answers",
          .text = "Asks nothing else of it.",
          .replies = {{.text = "It does.", .shape = "Alive"}},
          .add_shapes = add_probe_shapes};
}

inline net::task<http::response> readyz(context& with, call c) {
  const service::health_report report = co_await with.health.check(c.request.deadline);
  http::response answer{report.ready ? 200 : 503, http::json_type, rendered(report)};
  if (!report.ready) {
    retry_after(answer);
  }
  co_return answer;
}

inline description describe_readyz(const document_facts&) {
  return {.id = "getReadiness",
          .tag = "Probes",
          .summary = "Whether the process can serve",
          .text = "For load balancers: 503 while the database is away, its schema does not fit or the process drains.",
          .replies = {{.text = "It can.", .shape = "Health"},
                      {.status = 503,
                       .text = "It cannot, and why.",
                       .shape = "Health",
                       .headers = {"Retry-After"},
                       .example = rendered(samples::not_ready())}}};
}

inline net::task<http::response> healthz(context& with, call c) {
  const service::health_report report = co_await with.health.check(c.request.deadline);
  co_return http::response{200, http::json_type, rendered(report)};
}

inline description describe_healthz(const document_facts&) {
  return {.id = "getHealth",
          .tag = "Probes",
          .summary = "What the process depends on",
          .text = "As readyz, for people: always 200.",
          .replies = {{.text = "The state.", .shape = "Health"}}};
}

inline constexpr endpoint probe_endpoints[] = {
    {.verb = http::method::get, .path = "/livez", .serve = livez, .describe = describe_livez, .who = access::probe()},
    {.verb = http::method::get,
     .path = "/readyz",
     .serve = readyz,
     .describe = describe_readyz,
     .who = access::probe()},
    {.verb = http::method::get,
     .path = "/healthz",
     .serve = healthz,
     .describe = describe_healthz,
     .who = access::probe()}};

}  // namespace coffer::api
