#include "coffer/api/dispatch.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "coffer/api/context.hpp"
#include "coffer/api/list_query.hpp"
#include "coffer/api/problem.hpp"
#include "coffer/api/trace_context.hpp"
#include "coffer/base/assert.hpp"
#include "coffer/base/log.hpp"
#include "coffer/cache/wait_error.hpp"
#include "coffer/http/body_stream.hpp"

namespace coffer::api {

namespace {

/// The label of requests that no route took.
constexpr std::string_view no_route = "none";

/// The label of requests that were refused before their method counted.
constexpr std::string_view other_method = "_OTHER";

bool is_safe(http::method m) { return m == http::method::get || m == http::method::head; }

/// Says in a refusal of a body what its route takes (RFC 9110 section 15.5.16, RFC 5789 section 2.2).
void name_accepted(const endpoint& refused_by, http::method verb, http::response& answer) {
  const std::string type{refused_by.media()};
  answer.add("Accept", type);
  answer.add("Accept-Encoding", "identity");
  if (verb == http::method::patch) {
    answer.add("Accept-Patch", type);
  }
}

/// Refusal: unsupported_media_type, when the request does not say that its body is what the endpoint takes.
result<void> check_media(const endpoint& leads_to, const http::request& r) {
  const std::string_view wanted = leads_to.media();
  if (const auto encoding = r.list("Content-Encoding"); encoding && !http::equal_ignoring_case(*encoding, "identity")) {
    return std::unexpected(error{errc::unsupported_media_type, "The body must not have a Content-Encoding."});
  }
  // No body at all is no JSON, and that says more than a missing type.
  const bool has_body = r.stream != nullptr || leads_to.body == body_kind::lines;
  const std::string_view type = r.header("Content-Type").value_or(has_body ? "" : wanted);
  std::string_view media = type.substr(0, type.find(';'));
  while (media.ends_with(' ') || media.ends_with('\t')) {
    media.remove_suffix(1);
  }
  if (!http::equal_ignoring_case(media, wanted)) {
    return std::unexpected(error{errc::unsupported_media_type, fmt::format("The body must be {}.", wanted)});
  }
  return {};
}

/// What of a request does not depend on its body, and not on who sends it.
result<void> check_form(const endpoint& leads_to, const http::request& r) {
  if (leads_to.query.empty()) {
    if (auto valid = list_query::none(r); !valid) {
      return valid;
    }
  }
  return leads_to.body == body_kind::none ? result<void>{} : check_media(leads_to, r);
}

/// What passes is counted and told by the database watch; what the database refuses for what we sent is a bug.
void log_failure(const pg::error& failure, errc told, const http::request& r) {
  const std::string state = pg::to_string(failure.state());
  log::write(told == errc::internal ? log::level::error : log::level::debug, "database failure",
             {{"request_id", r.request_id},
              {"sqlstate", state},
              {"kind", pg::to_string(failure.kind())},
              {"message", failure.what()}});
}

}  // namespace

errc code_of(const pg::error& failure, bool writes) noexcept {
  if (failure.refused()) {
    return pg::is_schema_misfit(failure.state()) ? errc::unavailable : errc::internal;
  }
  return writes && failure.delivered() == pg::delivery::unknown ? errc::outcome_unknown : errc::unavailable;
}

dispatch::dispatch(context with, dispatch_options options)
    : with_{std::move(with)}, options_{std::move(options)}, routes_{make_routes()} {
  routes_.for_each([](http::method, std::string_view, const endpoint& leads_to) {
    // A key that was never seen is looked up before the handler runs, and a body is waited for, which a handler that
    // does not wait cannot do.
    COFFER_ASSERT(leads_to.waits() || (leads_to.who.is_open && leads_to.body == body_kind::none));
  });
}

http::eventual_response dispatch::handle(http::request& r) {
  if (!options_.hosts.admits(r)) {
    http::response answer = problem(error{errc::misdirected_request}, r.request_id);
    finish(r, no_route, to_string(r.verb), answer, nullptr, nullptr);
    return answer;
  }
  if (options_.origins.is_preflight(r)) {
    http::response answer = options_.origins.answer_preflight();
    finish(r, no_route, to_string(r.verb), answer, nullptr, nullptr);
    return answer;
  }
  const auto route = routes_.match(r.verb, r.path());
  if (route.outcome == http::route_outcome::whole_server) {
    http::response answer{204};
    answer.add("Allow", std::string{route.allow});
    finish(r, no_route, to_string(r.verb), answer, nullptr, nullptr);
    return answer;
  }
  if (route.outcome != http::route_outcome::found) {
    const bool exists = route.outcome == http::route_outcome::method_not_allowed;
    http::response answer = problem(error{exists ? errc::method_not_allowed : errc::not_found}, r.request_id);
    if (exists) {
      answer.add("Allow", std::string{route.allow});
    }
    finish(r, no_route, to_string(r.verb), answer, nullptr, nullptr);
    return answer;
  }
  admission by;
  std::optional<auth::unknown_key> unknown;
  result<void> allowed;
  if (route.handler->who.is_open) {
    allowed = check_form(*route.handler, r);
  } else {
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
    return run(route.handler, r, route.params, route.pattern, std::move(by), unknown);
  }
  http::response answer = allowed ? std::get<1>(route.handler->serve)(with_, call{r, route.params, by})
                                  : problem(allowed.error(), r.request_id);
  finish(r, route.pattern, to_string(r.verb), answer, route.handler, &by);
  return answer;
}

/// The sender is known: may it do this, to the user of the path, now?
result<void> dispatch::admit(admission& by, const endpoint& leads_to, const http::request& r,
                             const http::path_params& params) {
  result<void> allowed = with_.gate.admit(by, leads_to.who, r);
  if (allowed && leads_to.who.subject == subject_place::path) {
    allowed = with_.gate.enter(by, user_id{params[0]});
  }
  return allowed ? check_form(leads_to, r) : allowed;
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
      allowed = co_await with_.gate.look_up(by, r, *unknown, r.deadline);
      if (allowed) {
        allowed = admit(by, *leads_to, r, params);
      }
    }
    auto body = http::body_stream::status::end;
    if (allowed && leads_to->body == body_kind::json && r.stream != nullptr) {
      body = r.stream->collect();
      while (body == http::body_stream::status::nothing) {
        co_await r.stream->wait();
        body = r.stream->collect();
      }
    }
    if (!allowed) {
      answer = problem(allowed.error(), r.request_id);
    } else if (body != http::body_stream::status::end) {
      answer = problem(r.stream->failure(), r.request_id);
    } else {
      serving = true;
      call c{r, params, by};
      answer = co_await std::get<waiting_handler>(leads_to->serve)(with_, c);
    }
  } catch (const pg::error& e) {
    failed = code_of(e, serving && !is_safe(r.verb));
    log_failure(e, *failed, r);
  } catch (const cache::wait_error&) {
    failed = errc::unavailable;
  }
  if (failed) {
    answer = problem(error{*failed}, r.request_id);
  }
  finish(r, pattern, to_string(r.verb), answer, leads_to, &by);
  co_return answer;
}

http::response dispatch::reject(const http::rejection& why, const http::request& r) {
  http::response answer = problem(why, r.request_id);
  // A handler that failed had a request that was whole; of any other nothing is certain.
  const auto route = why.code == errc::internal ? routes_.match(r.verb, r.path()) : http::route_match<endpoint>{};
  if (route.handler != nullptr) {
    finish(r, route.pattern, to_string(r.verb), answer, route.handler, nullptr);
  } else {
    finish(r, no_route, other_method, answer, nullptr, nullptr);
  }
  return answer;
}

/// What every answer gets and every request leaves behind.
void dispatch::finish(const http::request& r, std::string_view pattern, std::string_view method, http::response& answer,
                      const endpoint* leads_to, const admission* by) {
  if (by != nullptr) {
    with_.gate.describe(*by, answer);
  }
  if (answer.status == 415 && leads_to != nullptr) {
    name_accepted(*leads_to, r.verb, answer);
  }
  options_.origins.describe(r, answer);
  const auto header = r.header("traceparent");
  const auto trace = header ? read_trace_context(*header) : std::nullopt;
  if (trace) {
    answer.add("traceparent", make_traceparent(*trace));
  }
  const auto took = std::chrono::steady_clock::now() - r.received - answer.waited;
  count(pattern, method, answer.status, took);
  static const admission nobody;
  log(r, pattern, method, answer, leads_to, by != nullptr ? *by : nobody, took,
      trace ? trace->trace_id : std::string_view{});
}

/// The line of a request. In text it is one row of a terminal: what a person looks for first, the id last.
void dispatch::log(const http::request& r, std::string_view pattern, std::string_view method,
                   const http::response& answer, const endpoint* leads_to, const admission& by,
                   std::chrono::steady_clock::duration took, std::string_view trace_id) const {
  using enum coffer::log::in_text;
  using coffer::log::level;
  const bool probe = leads_to != nullptr && leads_to->who.is_probe;
  // An upload takes as long as its sender wants.
  const bool uploads = leads_to != nullptr && leads_to->body == body_kind::lines;
  const bool slow = took >= options_.slow && !probe && !uploads;
  const bool noteworthy = slow || (answer.status >= 500 && !probe);
  const level lowest = probe ? level::debug : noteworthy ? level::warn : level::info;
  if (!coffer::log::enabled(lowest) || (!noteworthy && !options_.access_log)) {
    return;
  }
  const auto if_any = [](std::string_view text) { return text.empty() ? std::nullopt : std::optional{text}; };
  const auto if_set = [](std::int64_t id) { return id == 0 ? std::nullopt : std::optional{id}; };
  coffer::log::write_buffered(lowest, slow ? "slow request" : "request",
                              {coffer::log::field{"method", method}.as(bare),
                               coffer::log::field{"path", r.path()}.as(bare),
                               coffer::log::field{"status", answer.status}.as(bare),
                               coffer::log::field{"duration_ms", took}.as(bare),
                               coffer::log::field{"code", if_any(answer.error_code)}.as(bare),
                               {"user_id", if_set(by.user ? by.user->value : 0)},
                               {"key", if_set(by.who.key)},
                               {"player", if_set(by.who.only ? by.who.only->value : 0)},
                               coffer::log::field{"route", pattern}.as(absent),
                               coffer::log::field{"peer", if_any(r.peer)}.as(absent),
                               coffer::log::field{"trace_id", if_any(trace_id)}.as(absent),
                               coffer::log::field{"request_id", std::string_view{r.request_id}}.as(bare)});
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
