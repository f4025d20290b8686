#include "coffer/api/list_query.hpp"

#include <charconv>

#include <fmt/format.h>

#include "coffer/base/text.hpp"
#include "coffer/http/query_string.hpp"
#include "coffer/json/schema.hpp"

namespace coffer::api {

namespace {

constexpr std::string_view truths[] = {"true", "false"};

std::string one_of(std::span<const std::string_view> names) {
  std::string list = "must be one of: ";
  for (const std::string_view name : names) {
    list.append(name == names.front() ? "" : ", ").append(name);
  }
  return list;
}

}  // namespace

parameter documented(const query_parameter& of) {
  parameter made;
  made.info.name = of.name;
  made.info.type = of.type;
  made.info.description = of.text;
  made.info.names.assign(of.names.begin(), of.names.end());
  made.info.format = of.format;
  made.info.pattern = of.pattern;
  if (of.type == "integer") {
    made.info.minimum = of.minimum;
    made.info.maximum = of.maximum;
  }
  if (of.type == "string" && of.names.empty()) {
    made.info.maximum = of.format == "date-time" ? static_cast<std::int64_t>(longest_time) : of.longest;
  }
  if (of.initial) {
    made.info.initial = std::to_string(*of.initial);
  }
  return made;
}

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

void list_query::add_unknown_name(const query_parameter& wanted) { add(wanted.name, "enum", one_of(wanted.names)); }

std::optional<std::string> list_query::text(const query_parameter& wanted) {
  std::optional<std::string> found;
  bool repeated = false;
  for (given& p : parameters_) {
    if (p.name == wanted.name) {
      p.asked = true;
      if (!p.value.empty()) {
        repeated = repeated || found.has_value();
        found = p.value;
      }
    }
  }
  if (repeated) {
    add(wanted.name, "repeated", "is given more than once");
    return std::nullopt;
  }
  return found;
}

std::int64_t list_query::limit() { return integer(limit_parameter).value_or(default_page); }

std::optional<std::int64_t> list_query::integer(const query_parameter& wanted) {
  const auto value = text(wanted);
  if (!value) {
    return std::nullopt;
  }
  std::int64_t number = 0;
  const auto read = std::from_chars(value->data(), value->data() + value->size(), number);
  if (read.ec != std::errc{} || read.ptr != value->data() + value->size() || number < wanted.minimum ||
      number > wanted.maximum) {
    add(wanted.name, "range", fmt::format("must be an integer from {} to {}", wanted.minimum, wanted.maximum),
        {{"minimum", wanted.minimum}, {"maximum", wanted.maximum}});
    return std::nullopt;
  }
  return number;
}

std::optional<timestamp> list_query::time(const query_parameter& wanted) {
  const auto value = text(wanted);
  if (!value) {
    return std::nullopt;
  }
  const auto time = from_rfc3339(*value);
  if (!time) {
    add(wanted, "format", fmt::format("must be {}", time_spelling));
  }
  return time;
}

std::optional<bool> list_query::boolean(const query_parameter& wanted) {
  const auto value = text(wanted);
  if (!value) {
    return std::nullopt;
  }
  if (*value != truths[0] && *value != truths[1]) {
    add(wanted.name, "enum", one_of(truths));
    return std::nullopt;
  }
  return *value == truths[0];
}

result<void> list_query::finish() const {
  error refusal{errc::invalid_parameter};
  refusal.fields = violations_;
  for (const given& p : parameters_) {
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
