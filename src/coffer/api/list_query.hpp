// The query parameters of lists, read and checked all at once.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "coffer/api/operation.hpp"
#include "coffer/api/vocabulary.hpp"
#include "coffer/base/clock.hpp"
#include "coffer/base/error.hpp"
#include "coffer/base/ids.hpp"
#include "coffer/http/request.hpp"

namespace coffer::api {

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
inline constexpr query_parameter active_parameter{"active", "boolean", "Only products that can, or cannot, be bought."};
inline constexpr query_parameter kind_parameter{"kind", "string", "Only transactions of this kind.", transaction_kinds};
inline constexpr query_parameter status_parameter{"status", "string", "Only transactions of this status.",
                                                  transaction_statuses};

inline constexpr query_parameter username_parameter{"username", "string",
                                                    "The user with this name, regardless of case. This or email."};
inline constexpr query_parameter email_parameter{"email", "string",
                                                 "The user with this address, regardless of case. This or username."};

inline constexpr query_parameter as_of_parameter{
    "as_of", "string", "The past to look at: a version of the user, or a time in RFC 3339 that is not in the future."};

/// How a time in a query string is written. A plus sign is the trap: unescaped it stands for a space.
inline constexpr std::string_view time_spelling =
    "a time as in RFC 3339, like 2026-11-22T23:13:50Z (a plus sign is %2B)";

/// The parameter for documents.
parameter documented(const query_parameter& of);

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

}  // namespace coffer::api
