// Commands in RESP.
#pragma once

#include <charconv>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace coffer::redis {

namespace detail {
inline void append_header(std::string& out, char kind, std::size_t number) {
  char digits[24];
  const char* end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out += kind;
  out.append(digits, static_cast<std::size_t>(end - digits));
  out += "\r\n";
}
}  // namespace detail

/// Appends one command to `out`.
inline void append_command(std::string& out, std::span<const std::string_view> arguments) {
  detail::append_header(out, '*', arguments.size());
  for (const std::string_view argument : arguments) {
    detail::append_header(out, '$', argument.size());
    out += argument;
    out += "\r\n";
  }
}

}  // namespace coffer::redis
