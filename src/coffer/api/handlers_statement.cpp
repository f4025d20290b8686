#include <fmt/format.h>

#include "coffer/api/answers.hpp"
#include "coffer/api/cursor.hpp"
#include "coffer/api/handlers.hpp"
#include "coffer/api/list_query.hpp"
#include "coffer/api/statement_body.hpp"

namespace coffer::api {

namespace {

std::optional<statement_format> format_from_string(std::string_view text) {
  if (text == "json") {
    return statement_format::json;
  }
  return text == "csv" ? std::optional{statement_format::csv} : std::nullopt;
}

std::string spell(std::optional<timestamp> time) { return time ? to_rfc3339(*time) : "any"; }

}  // namespace

net::task<http::response> get_statement(context& with, call c) {
  list_query query{c.request};
  service::statement_query wanted;
  wanted.user = user_id{c.params[0]};
  wanted.from = query.time(from_parameter);
  wanted.to = query.time(to_parameter);
  if (wanted.from && wanted.to && *wanted.to < *wanted.from) {
    query.add(to_parameter, "range", "must not be before from");
  }
  wanted.limit = query.integer(rows_parameter);
  const auto cursor = query.text(cursor_parameter);
  const auto format = query.parsed(format_parameter, format_from_string)
                          .value_or(accepted_format(c.request.list("Accept").value_or("")));
  const bool marked = query.boolean(bom_parameter).value_or(false);
  if (marked && format != statement_format::csv) {
    query.add(bom_parameter, "needs_csv", "goes with CSV alone: ask for format=csv");
  }
  if (const auto valid = query.finish(); !valid) {
    co_return refuse(valid.error(), c.request);
  }
  const std::string scope = fmt::format("statement {} {} {}", wanted.user.value, spell(wanted.from), spell(wanted.to));
  if (cursor) {
    const auto after = read_cursor(*cursor, scope);
    if (!after) {
      co_return refuse(after.error(), c.request);
    }
    wanted.after = version{*after};
  }
  const auto found = co_await with.statements.open(wanted, c.request.deadline);
  if (!found) {
    co_return refuse(found.error(), c.request);
  }
  const std::string next = found->more ? make_cursor(found->range.last.value, scope) : std::string{};
  http::response answer{200};
  answer.content_type = http::json_type;
  answer.add("Vary", "Accept");
  if (format == statement_format::csv) {
    answer.content_type = csv_type;
    answer.add("Content-Disposition", fmt::format("attachment; filename=\"statement-{}.csv\"", wanted.user.value));
    if (!next.empty()) {
      answer.add("X-Next-Cursor", next);
    }
  }
  answer.source =
      std::make_shared<statement_body>(with.statements, *found, format, marked, next, audience_of(c.by.who));
  co_return answer;
}

}  // namespace coffer::api
