// What Redis answered, as a value of our own. Knows nothing of hiredis.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace coffer::redis {

/// One reply (RESP2), copied out of the parser.
struct reply {
  enum class kind : std::uint8_t { null, integer, string, status, error, array };

  kind is = kind::null;
  std::int64_t integer = 0;     ///< of an integer
  std::string text;             ///< of a string, a status ("OK") or an error ("READONLY You can't write ...")
  std::vector<reply> elements;  ///< of an array

  [[nodiscard]] bool is_null() const noexcept { return is == kind::null; }
  [[nodiscard]] bool is_string() const noexcept { return is == kind::string; }
  [[nodiscard]] bool is_integer() const noexcept { return is == kind::integer; }
  [[nodiscard]] bool is_error() const noexcept { return is == kind::error; }
  /// The status "OK".
  [[nodiscard]] bool is_ok() const noexcept { return is == kind::status && text == "OK"; }
  /// The first word of an error, e.g. "READONLY"; empty for other replies.
  [[nodiscard]] std::string_view error_code() const noexcept {
    return is_error() ? std::string_view{text}.substr(0, text.find(' ')) : std::string_view{};
  }
};

}  // namespace coffer::redis
