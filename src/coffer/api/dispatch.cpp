#include "coffer/api/dispatch.hpp"

#include <algorithm>

#include "coffer/api/problem.hpp"
#include "coffer/api/trace_context.hpp"
#include "coffer/base/assert.hpp"
#include "coffer/base/log.hpp"
#include "coffer/cache/wait_error.hpp"

namespace coffer::api {

namespace {

/// The label of requests that no route took.
constexpr std::string_view no_route = "none";

/// The label of requests that were refused before their method counted.
constexpr std::string_view other_method = "_OTHER";

bool is_safe(http::method m) { return m == http::method::get || m == http::method::head; }

void log_failure(const pg::error& failure, const http::request& r) {
  const std::string state = pg::to_string(failure.state());
  log::warn("database failure", {{"request_id", r.request_id},
                                 {"sqlstate", state},
                                 {"kind", pg::to_string(failure.kind())},
                                 {"message", failure.what()}});
}

}  // namespace

errc code_of(const pg::error& failure, bool writes) noexcept {
  const bool answered = failure.delivered() == pg::delivery::answered;
  if (answered && !pg::is_conflict(failure.state()) && !pg::is_timeout(failure.state()) &&
      !pg::is_server_unavailable(failure.state())) {
    return errc::internal;
  }
  return writes && failure.delivered() == pg::delivery::unknown ? errc::outcome_unknown : errc::unavailable;
}

dispatch::dispatch(context with, dispatch_options options)
    : with_{std::move(with)}, options_{options}, routes_{make_routes()} {
  routes_.for_each([this](http::method, std::string_view pattern, const endpoint& leads_to) {
    // A key that was never seen is looked up before the handler runs, which a handler that does not wait cannot do.
    COFFER_ASSERT(leads_to.who.is_open || leads_to.waits());
    if (leads_to.body == body_mode::streamed) {
      streamed_endings_.push_back(pattern.substr(pattern.rfind('/')));
    }
  });
}

/// Asked for every request with a body: nearly all are told apart by the end of their path, without a look-up.
bool dispatch::streams(const http::request& head) const {
  const std::string_view path = head.path();
  const bool possible = path.find('%') != std::string_view::npos ||
                        std::any_of(streamed_endings_.begin(), streamed_endings_.end(),
                                    [path](std::string_view ending) { return path.ends_with(ending); });
  if (!possible) {
    return false;
  }
  const auto route = routes_.match(head.verb, path);
  return route.outcome == http::route_outcome::found && route.handler->body == body_mode::streamed;
}

http::eventual_response dispatch::handle(http::request& r) {
  const auto route = routes_.match(r.verb, r.path());
  if (route.outcome != http::route_outcome::found) {
    const bool exists = route.outcome == http::route_outcome::method_not_allowed;
    http::response answer = problem(error{exists ? errc::method_not_allowed : errc::not_found}, r.request_id);
    if (exists) {
      answer.add("Allow", std::string{route.allow});
    }
    finish(r, no_route, to_string(r.verb), answer, nullptr);
    return answer;
  }
  admission by;
  std::optional<auth::unknown_key> unknown;
  result<void> allowed;
  if (!route.handler->who.is_open) {
    auto found = with_.gate.identify(by, r);
    if (auto* const wanted = std::get_if<auth::unknown_key>(&found)) {
      unknown = *wanted;
    } else {
      allowed = std::get<result<void>>(std::move(found));
      if (allowed) {
        allowed = admit(by, *route.handler, r, route.params);
      }
    }
  }
  if (allowed && route.handler->waits()) {
    return run(route.handler, r, route.params, route.pattern, by, unknown);
  }
  http::response answer = allowed ? std::get<1>(route.handler->serve)(with_, call{r, route.params, by})
                                  : problem(allowed.error(), r.request_id);
  finish(r, route.pattern, to_string(r.verb), answer, &by);
  return answer;
}

/// The sender is known: may it do this, to the user of the path, now?
result<void> dispatch::admit(admission& by, const endpoint& leads_to, const http::request& r,
                             const http::path_params& params) {
  result<void> allowed = with_.gate.admit(by, leads_to.who, r);
  if (allowed && leads_to.who.subject == subject_place::path) {
    allowed = with_.gate.enter(by, user_id{params[0]});
  }
  return allowed;
}

net::task<http::response> dispatch::run(const endpoint* leads_to, http::request& r, http::path_params params,
                                        std::string_view pattern, admission by,
                                        std::optional<auth::unknown_key> unknown) {
  http::response answer;
  std::optional<errc> failed;
  bool serving = false;
  try {
    result<void> allowed;
    if (unknown) {
      allowed = co_await with_.gate.look_up(by, r, *unknown);
      if (allowed) {
        allowed = admit(by, *leads_to, r, params);
      }
    }
    if (allowed) {
      serving = true;
      call c{r, params, by};
      answer = co_await std::get<waiting_handler>(leads_to->serve)(with_, c);
    } else {
      answer = problem(allowed.error(), r.request_id);
    }
  } catch (const pg::error& e) {
    log_failure(e, r);
    failed = code_of(e, serving && !is_safe(r.verb));
  } catch (const cache::wait_error&) {
    failed = errc::unavailable;
  } catch (const std::exception& e) {
    log::error("handler failed", {{"request_id", r.request_id}, {"route", pattern}, {"message", e.what()}});
    failed = errc::internal;
  }
  if (failed) {
    answer = problem(error{*failed}, r.request_id);
  }
  finish(r, pattern, to_string(r.verb), answer, &by);
  co_return answer;
}

http::response dispatch::reject(const http::rejection& why, const http::request& r) {
  http::response answer = problem(why, r.request_id);
  finish(r, no_route, other_method, answer, nullptr);
  return answer;
}

/// What every answer gets and every request leaves behind.
void dispatch::finish(const http::request& r, std::string_view pattern, std::string_view method, http::response& answer,
                      const admission* by) {
  if (by != nullptr) {
    with_.gate.describe(*by, answer);
  }
  const auto header = r.header("traceparent");
  const auto trace = header ? read_trace_context(*header) : std::nullopt;
  if (trace) {
    answer.add("traceparent", make_traceparent(*trace));
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - r.received;
  count(pattern, method, answer.status, took);
  const bool slow = took >= options_.slow;
  if (!slow && !(options_.access_log && log::enabled(log::level::info))) {
    return;
  }
  log::write_buffered(slow ? log::level::warn : log::level::info, slow ? "slow request" : "request",
                      {{"request_id", r.request_id},
                       {"method", method},
                       {"path", r.path()},
                       {"route", pattern},
                       {"status", answer.status},
                       {"duration_ms", took.count() * 1000},
                       {"peer", r.peer},
                       {"key", by != nullptr ? by->who.key : 0},
                       {"player", by != nullptr && by->who.only ? by->who.only->value : 0},
                       {"trace_id", trace ? trace->trace_id : std::string_view{}}});
}

/// Labels by the semantic conventions of OpenTelemetry for HTTP servers.
void dispatch::count(std::string_view pattern, std::string_view method, int status,
                     std::chrono::duration<double> took) {
  const series_key key{pattern, method, status};
  auto found = metrics_.find(key);
  if (found == metrics_.end()) {
    const std::vector<double> bounds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5};
    const metrics::labels labels = {{"http_route", std::string{pattern}},
                                    {"http_request_method", std::string{method}},
                                    {"http_response_status_code", std::to_string(status)}};
    const series made{
        metrics::make_histogram("http_server_request_duration_seconds", "Time from request to answer", bounds, labels),
        metrics::make_counter("coffer_http_requests_total", "Requests answered", labels)};
    found = metrics_.emplace(key, made).first;
  }
  found->second.seconds.observe(took.count());
  found->second.answered.add();
}

}  // namespace coffer::api
