// The query parameters of lists, read and checked all at once.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "coffer/api/vocabulary.hpp"
#include "coffer/base/clock.hpp"
#include "coffer/base/error.hpp"
#include "coffer/base/ids.hpp"
#include "coffer/base/text.hpp"
#include "coffer/http/query_string.hpp"
#include "coffer/http/request.hpp"
#include "coffer/json/schema.hpp"

namespace coffer::api {

namespace detail {

inline constexpr std::string_view truths[] = {"true", "false"};

inline std::string one_of(std::span<const std::string_view> names, std::string list = "must be one of: ") {
  for (const std::string_view name : names) {
    list.append(name == names.front() ? "" : ", ").append(name);
  }
  return list;
}

}  // namespace detail

/// Items per page: 1 to 100.
inline constexpr std::int64_t default_page = 50;

inline constexpr std::int64_t largest_page = 100;

/// A query parameter, as handlers read it and as documents show it.
struct query_parameter {
  std::string_view name;
  std::string_view type;  ///< "integer", "boolean", "string"
  std::string_view text;
  std::span<const std::string_view> names{};  ///< the only values of a string; empty: any
  std::int64_t minimum = 1;                   ///< of an integer
  std::int64_t maximum = max_json_integer;
  std::int64_t longest = longest_query;   ///< characters of a string
  std::string_view format{};              ///< "date-time": a time
  std::string_view pattern{};             ///< of a string, for documents
  std::optional<std::int64_t> initial{};  ///< what an absent integer means
};

inline constexpr query_parameter limit_parameter{
    .name = "limit", .type = "integer", .text = "Items per page.", .maximum = largest_page, .initial = default_page};

inline constexpr query_parameter cursor_parameter{
    "cursor", "string", "next_cursor of the page before, with the same filters. Absent: the first page."};

/// How a time in a query string is written. A plus sign is the trap: unescaped it stands for a space.
inline constexpr std::string_view time_spelling =
    "a time as in RFC 3339, like 2026-11-22T23:13:50Z (a plus sign is %2B)";

/// The parameter for documents.
inline json::member_info documented(const query_parameter& of) {
  json::member_info made;
  made.name = of.name;
  made.type = of.type;
  made.description = of.text;
  made.names.assign(of.names.begin(), of.names.end());
  made.format = of.format;
  made.pattern = of.pattern;
  if (of.type == "integer") {
    made.minimum = of.minimum;
    made.maximum = of.maximum;
  }
  if (of.type == "string" && of.names.empty()) {
    made.maximum = of.format == "date-time" ? static_cast<std::int64_t>(longest_time) : of.longest;
  }
  if (of.initial) {
    made.initial = std::to_string(*of.initial);
  }
  return made;
}

/// Reads the query string of one request. Parameters are asked for one after the other; what is malformed, repeated
/// or was never asked for is collected and refused at the end. An empty parameter is one that was not given.
class list_query {
 public:
  explicit list_query(const http::request& r);

  /// `limit`, default_page when it is absent.
  std::int64_t limit();
  /// The value as sent, nullopt when absent or empty.
  std::optional<std::string> text(const query_parameter& wanted);
  /// "true" or "false".
  std::optional<bool> boolean(const query_parameter& wanted);

  /// An integer within the parameter's bounds, nullopt when absent.
  std::optional<std::int64_t> integer(const query_parameter& wanted);
  /// An RFC 3339 time, nullopt when absent.
  std::optional<timestamp> time(const query_parameter& wanted);

  /// One of the parameter's names, as `parse` understands it.
  template <typename Parse>
  auto parsed(const query_parameter& wanted, Parse parse) -> decltype(parse(std::string_view{})) {
    const auto value = text(wanted);
    if (!value) {
      return std::nullopt;
    }
    auto result = parse(std::string_view{*value});
    if (!result) {
      add_unknown_name(wanted);
    }
    return result;
  }

  /// Adds a violation of a rule that the caller checks.
  void add(const query_parameter& wanted, std::string code, std::string detail) {
    add(wanted.name, std::move(code), std::move(detail));
  }

  /// Refusal: invalid_parameter with every violation. Call after all parameters have been asked for.
  [[nodiscard]] result<void> finish() const;
  /// As finish(), of a request that takes no parameters.
  static result<void> none(const http::request& r) {
    return r.query().empty() ? result<void>{} : list_query{r}.finish();
  }

 private:
  void add(std::string_view name, std::string code, std::string detail,
           std::vector<std::pair<std::string, std::int64_t>> params = {});
  void add_unknown_name(const query_parameter& wanted);

  struct given {
    std::string name;
    std::string value;
    bool asked = false;
  };
  std::vector<given> parameters_;
  std::vector<field_error> violations_;
};

inline list_query::list_query(const http::request& r) {
  const auto parsed = http::query_string::parse(r.query());
  if (!parsed) {
    add("", "malformed", "the query string has an invalid percent-encoding");
    return;
  }
  for (const auto& [name, value] : parsed->entries()) {
    parameters_.push_back({name, value});
  }
}

inline void list_query::add(std::string_view name, std::string code, std::string detail,
                            std::vector<std::pair<std::string, std::int64_t>> params) {
  violations_.push_back({std::string{truncate(name, 64)}, std::move(code), std::move(detail), std::move(params)});
}

inline void list_query::add_unknown_name(const query_parameter& wanted) {
  add(wanted.name, "enum", detail::one_of(wanted.names));
}

inline std::optional<std::string> list_query::text(const query_parameter& wanted) {
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

inline std::int64_t list_query::limit() { return integer(limit_parameter).value_or(default_page); }

inline std::optional<std::int64_t> list_query::integer(const query_parameter& wanted) {
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

inline std::optional<timestamp> list_query::time(const query_parameter& wanted) {
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

inline std::optional<bool> list_query::boolean(const query_parameter& wanted) {
  const auto value = text(wanted);
  if (!value) {
    return std::nullopt;
  }
  if (*value != detail::truths[0] && *value != detail::truths[1]) {
    add(wanted.name, "enum", detail::one_of(detail::truths));
    return std::nullopt;
  }
  return *value == detail::truths[0];
}

inline result<void> list_query::finish() const {
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
