// Answers of the writes outside the journal under an idempotency key.
#pragma once

#include <array>
#include <concepts>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "coffer/api/answers.hpp"
#include "coffer/api/idempotency.hpp"
#include "coffer/json/writer.hpp"
#include "coffer/service/once.hpp"

namespace coffer::api {

/// A value of a canonical body; null when there is none.
template <typename T>
void write_canonical(json::writer& out, const std::optional<T>& value) {
  if (!value) {
    out.null();
  } else if constexpr (std::same_as<T, timestamp>) {
    out.value(to_rfc3339(*value));
  } else if constexpr (requires { value->value; }) {
    out.value(value->value);
  } else {
    out.value(*value);
  }
}

/// A request's key and how its outcome is answered, for service::write_once(); nullopt without a key. `canonical` is
/// the body in a fixed form; `respond` makes the answer that is recorded of a result<T>.
template <typename T, typename Respond>
std::optional<service::keyed<T>> keyed(const call& c, std::string key, std::string_view what, std::int64_t path_id,
                                       std::string_view canonical, Respond respond) {
  if (key.empty()) {
    return std::nullopt;
  }
  service::keyed<T> made;
  made.key.key = std::move(key);
  made.key.operation = what;
  made.key.print = fingerprint_of(what, path_id, {}, canonical);
  made.key.request_id = c.request.request_id;
  made.key.by = actor_of(c.by.who);
  made.answer = [respond = std::move(respond)](const result<T>& outcome) -> std::optional<store::recorded_answer> {
    http::response answer = respond(outcome);
    // Decided are successes and refusals of the business kind.
    if (answer.status >= 300 && answer.status != 409) {
      return std::nullopt;
    }
    store::recorded_answer record{.status = answer.status, .headers = {}, .body = std::move(answer.body)};
    for (const auto& [name, value] : answer.headers) {
      record.headers += fmt::format("{}: {}\n", name, value);
    }
    return record;
  };
  return made;
}

/// `respond` for the record of what is made with a secret, which is stored nowhere: a repetition shows what was made,
/// and null for the secret.
template <typename T, typename Respond>
auto without_secret(Respond respond) {
  return [respond](const result<T>& made) { return made ? respond(T{made->row, {}}) : respond(made); };
}

/// The answer that was recorded.
inline http::response replay_of(const store::recorded_answer& record, bool replayed) {
  http::response answer{record.status, record.status < 300 ? http::json_type : http::problem_type, record.body};
  // Names in a response are literals.
  constexpr std::array<std::string_view, 2> names = {"Location", "ETag"};
  std::string_view rest = record.headers;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    for (const std::string_view name : names) {
      if (line.starts_with(name) && line.substr(name.size()).starts_with(": ")) {
        answer.add(name, std::string{line.substr(name.size() + 2)});
      }
    }
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
  }
  if (replayed) {
    answer.add("Idempotent-Replayed", "true");
  }
  return answer;
}

/// The answer to a write, fresh or recorded.
template <typename T, typename Respond>
http::response answer_written(const service::written<T>& written, Respond respond) {
  return written.record ? replay_of(*written.record, written.replayed) : respond(written.outcome);
}

}  // namespace coffer::api
