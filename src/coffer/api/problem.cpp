#include "coffer/api/problem.hpp"

#include "coffer/base/clock.hpp"
#include "coffer/json/writer.hpp"

namespace coffer::api {

namespace {

void write_fields(json::writer& out, const std::vector<field_error>& fields) {
  out.key("errors");
  out.begin_array();
  for (const field_error& f : fields) {
    out.begin_object();
    out.key("pointer");
    out.value(f.pointer);
    out.key("code");
    out.value(f.code);
    out.key("detail");
    out.value(f.detail);
    out.key("params");
    out.begin_object();
    for (const auto& [name, value] : f.params) {
      out.dynamic_key(name);
      out.value(value);
    }
    out.end_object();
    out.end_object();
  }
  out.end_array();
}

void write_number(json::writer& out, const error::number& n) {
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

}  // namespace

std::string problem_body(const error& what, std::string_view request_id) {
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
      write_number(out, n);
    }
  }
  if (!what.fields.empty()) {
    write_fields(out, what.fields);
  }
  out.end_object();
  return body;
}

http::response problem(const error& what, std::string_view request_id) {
  http::response answer{kind_of(what.code).status, http::problem_type, problem_body(what, request_id)};
  answer.error_code = to_string(what.code);
  if (answer.status == 503) {
    answer.add("Retry-After", "1");
  }
  return answer;
}

http::response problem(const http::rejection& why, std::string_view request_id) {
  http::response answer = problem(error{why.code, why.detail}, request_id);
  answer.status = why.status;
  return answer;
}

}  // namespace coffer::api
