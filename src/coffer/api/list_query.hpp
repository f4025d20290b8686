// The query parameters of lists, read and checked all at once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "coffer/base/clock.hpp"
#include "coffer/base/error.hpp"
#include "coffer/http/request.hpp"

namespace coffer::api {

/// Items per page: 1 to 100.
inline constexpr std::int64_t default_page = 50;
inline constexpr std::int64_t largest_page = 100;

/// Reads the query string of one request. Parameters are asked for one after the other; what is malformed, repeated
/// or was never asked for is collected and refused at the end.
class list_query {
 public:
  explicit list_query(const http::request& r);

  /// `limit`, default_page when it is absent.
  std::int64_t limit();
  /// The value as sent, nullopt when absent.
  std::optional<std::string> text(std::string_view name);
  /// "true" or "false".
  std::optional<bool> boolean(std::string_view name);

  /// A value that `parse` understands; `allowed` is what the message says otherwise.
  template <typename Parse>
  auto parsed(std::string_view name, Parse parse, std::string_view allowed) -> decltype(parse(std::string_view{})) {
    const auto value = text(name);
    if (!value) {
      return std::nullopt;
    }
    auto result = parse(std::string_view{*value});
    if (!result) {
      add(name, "enum", "must be one of: " + std::string{allowed});
    }
    return result;
  }

  /// An integer from `minimum` to `maximum`, nullopt when absent.
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t minimum, std::int64_t maximum);
  /// An RFC 3339 time, nullopt when absent.
  std::optional<timestamp> time(std::string_view name);

  /// Adds a violation of a rule that the caller checks.
  void add(std::string_view name, std::string code, std::string detail,
           std::vector<std::pair<std::string, std::int64_t>> params = {});

  /// Refusal: invalid_parameter with every violation. Call after all parameters have been asked for.
  [[nodiscard]] result<void> finish() const;

 private:
  struct parameter {
    std::string name;
    std::string value;
    bool asked = false;
  };
  std::vector<parameter> parameters_;
  std::vector<field_error> violations_;
};

}  // namespace coffer::api
