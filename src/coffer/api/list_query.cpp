#include "coffer/api/list_query.hpp"

#include <charconv>

#include <fmt/format.h>

#include "coffer/base/text.hpp"
#include "coffer/http/query_string.hpp"
#include "coffer/json/schema.hpp"

namespace coffer::api {

list_query::list_query(const http::request& r) {
  const auto parsed = http::query_string::parse(r.query());
  if (!parsed) {
    add("", "malformed", "the query string has an invalid percent-encoding");
    return;
  }
  for (const auto& [name, value] : parsed->entries()) {
    parameters_.push_back({name, value});
  }
}

void list_query::add(std::string_view name, std::string code, std::string detail,
                     std::vector<std::pair<std::string, std::int64_t>> params) {
  violations_.push_back({std::string{truncate(name, 64)}, std::move(code), std::move(detail), std::move(params)});
}

std::optional<std::string> list_query::text(std::string_view name) {
  std::optional<std::string> found;
  bool repeated = false;
  for (parameter& p : parameters_) {
    if (p.name == name) {
      p.asked = true;
      repeated = found.has_value();
      found = p.value;
    }
  }
  if (repeated) {
    add(name, "repeated", "is given more than once");
    return std::nullopt;
  }
  return found;
}

std::int64_t list_query::limit() { return integer("limit", 1, largest_page).value_or(default_page); }

std::optional<std::int64_t> list_query::integer(std::string_view name, std::int64_t minimum, std::int64_t maximum) {
  const auto value = text(name);
  if (!value) {
    return std::nullopt;
  }
  std::int64_t number = 0;
  const auto read = std::from_chars(value->data(), value->data() + value->size(), number);
  if (read.ec != std::errc{} || read.ptr != value->data() + value->size() || number < minimum || number > maximum) {
    add(name, "range", fmt::format("must be an integer from {} to {}", minimum, maximum),
        {{"minimum", minimum}, {"maximum", maximum}});
    return std::nullopt;
  }
  return number;
}

std::optional<timestamp> list_query::time(std::string_view name) {
  const auto value = text(name);
  if (!value) {
    return std::nullopt;
  }
  const auto time = from_rfc3339(*value);
  if (!time) {
    add(name, "format", "must be a time as in RFC 3339, like 2026-11-22T23:13:50Z (a plus sign is %2B)");
  }
  return time;
}

std::optional<bool> list_query::boolean(std::string_view name) {
  return parsed(
      name,
      [](std::string_view v) -> std::optional<bool> {
        if (v != "true" && v != "false") {
          return std::nullopt;
        }
        return v == "true";
      },
      "true, false");
}

result<void> list_query::finish() const {
  error refusal{errc::invalid_parameter};
  refusal.fields = violations_;
  for (const parameter& p : parameters_) {
    if (!p.asked && refusal.fields.size() < json::max_violations) {
      refusal.fields.push_back({std::string{truncate(p.name, 64)}, "unknown_parameter", "is not known here", {}});
    }
  }
  if (refusal.fields.empty()) {
    return {};
  }
  return std::unexpected(std::move(refusal));
}

}  // namespace coffer::api
