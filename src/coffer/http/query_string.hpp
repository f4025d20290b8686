// The query part of a target as names and values.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace coffer::http {

/// The bytes of `text` with percent-encoding resolved once, and '+' as a space if `plus_is_space`; nullopt when an
/// escape is malformed or stands for NUL.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

/// `a=1&b=2` (URL standard, application/x-www-form-urlencoded). Names may repeat.
class query_string {
 public:
  using entry = std::pair<std::string, std::string>;

  /// nullopt when an escape is malformed.
  static std::optional<query_string> parse(std::string_view text);

  [[nodiscard]] const std::vector<entry>& entries() const { return entries_; }

 private:
  std::vector<entry> entries_;
};

}  // namespace coffer::http
