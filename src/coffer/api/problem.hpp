// Problem details (RFC 9457): the one place where an error becomes an HTTP answer.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "coffer/api/problem_table.hpp"
#include "coffer/api/shape.hpp"
#include "coffer/api/vocabulary.hpp"
#include "coffer/base/clock.hpp"
#include "coffer/base/error.hpp"
#include "coffer/http/response.hpp"
#include "coffer/json/writer.hpp"

namespace coffer::api {

template <typename Sink>
void members_of(Sink& out, const field_error& f) {
  out.called("FieldError");
  out.member(
      "pointer", f.pointer,
      {.text = "A JSON pointer into the body like #/amount, or the name of a parameter or header.", .maximum = 300});
  out.member("code", f.code, {.text = "The rule that is broken, e.g. greater_than.", .maximum = longest_code});
  out.member("detail", f.detail, {.text = "The rule for a person.", .maximum = longest_detail});
  out.numbers("params", f.params, {.text = "The rule's numbers."});
}

namespace detail {

inline void write_number(json::writer& out, const error::number& n) {
  switch (n.shown_as) {
    case error::unit::count:
      out.value(n.value);
      return;
    case error::unit::time:
      out.value(to_rfc3339(timestamp{std::chrono::microseconds{n.value}}));
      return;
    case error::unit::nothing:
      out.null();
      return;
  }
}

}  // namespace detail

/// The problem document. A pure function, so that a replayed refusal is the same bytes.
inline std::string problem_body(const error& what, std::string_view request_id) {
  const problem_kind& kind = kind_of(what.code);
  const std::string_view code = to_string(what.code);
  std::string body;
  body.reserve(256);
  json::writer out{body};
  out.begin_object();
  out.key("type");
  out.value("/problems/" + std::string{code});
  out.key("title");
  out.value(kind.title);
  out.key("status");
  out.value(kind.status);
  out.key("detail");
  out.value(what.detail.empty() ? kind.detail : std::string_view{what.detail});
  out.key("code");
  out.value(code);
  out.key("request_id");
  out.value(request_id);
  for (const error::number& n : what.numbers) {
    if (!n.name.empty()) {
      out.dynamic_key(n.name);
      detail::write_number(out, n);
    }
  }
  if (!what.fields.empty()) {
    render_sink{out}.list("errors", std::span<const field_error>{what.fields}, {});
  }
  out.end_object();
  return body;
}

/// Tells the client how long to wait. The one place where that header is made.
inline void retry_after(http::response& answer, std::int64_t seconds = 1) {
  answer.add("Retry-After", std::to_string(seconds));
}

/// The whole answer: 429 and 503 carry Retry-After. Allow of a 405 is the caller's, and what else 401, 403 and 429
/// carry the gate's.
inline http::response problem(const error& what, std::string_view request_id) {
  http::response answer{kind_of(what.code).status, http::problem_type, problem_body(what, request_id)};
  answer.error_code = to_string(what.code);
  if (what.code == errc::rate_limited) {
    retry_after(answer, what.numbers.front().value);
  } else if (answer.status == 503) {
    retry_after(answer);
  }
  return answer;
}

/// The answer to what the HTTP layer refuses; the rejection's own status is kept.
inline http::response problem(const http::rejection& why, std::string_view request_id) {
  http::response answer = problem(error{why.code, why.detail}, request_id);
  answer.status = why.status;
  return answer;
}

}  // namespace coffer::api
