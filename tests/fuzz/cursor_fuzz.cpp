// Cursors: the first line is one, or the digits of one, and the second the list that it is for. What is read was made
// for that list, to the letter.
#include <charconv>
#include <string>

#include <fmt/format.h>

#include "coffer/api/cursor.hpp"
#include "fuzz/fuzz.hpp"

namespace {

using namespace coffer;

/// Digits of a position; more are not looked at.
constexpr std::size_t most_digits = 14;

void as_it_came(std::string_view text, const std::string& list) {
  const auto position = api::read_cursor(text, list);
  if (!position) {
    fuzz::require(position.error().code == errc::invalid_cursor, "one code for all that is wrong with a cursor");
    return;
  }
  fuzz::require(*position >= 0, "a position is not negative");
  fuzz::require(api::make_cursor(*position, list) == text, "a cursor has one spelling");
  fuzz::require(!api::read_cursor(text, list + "&active=true"), "a cursor is bound to its list");
}

/// As if a client knew how checksums are made: then all that is wrong can be the digits.
void with_the_right_checksum(std::string_view digits, const std::string& list) {
  std::int64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  const std::string own = fmt::format("{:x}", value);
  const std::string made = api::make_cursor(value, list);
  const std::string text = std::string{digits} + made.substr(own.size());
  const auto position = api::read_cursor(text, list);
  const bool good = digits == own && value >= 0 && digits.size() <= most_digits;
  fuzz::require(position.has_value() == good, "one spelling of a position is read and no other");
  fuzz::require(!position || *position == value, "a cursor gives back its position");
  as_it_came(text, list);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = fuzz::text_of(data, size);
  const std::string_view first = input.substr(0, input.find('\n'));
  const std::string list{input.substr(std::min(first.size() + 1, input.size()))};
  as_it_came(first, list);
  with_the_right_checksum(first, list);
  return 0;
}
