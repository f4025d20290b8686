// The text of a log line. Pure: knows neither where lines go nor which of them are wanted.
#pragma once

#include <charconv>
#include <cmath>
#include <initializer_list>
#include <iterator>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "coffer/base/clock.hpp"
#include "coffer/base/log.hpp"
#include "coffer/base/text.hpp"

namespace coffer::log {

namespace detail {

inline std::string_view name_of(level l) {
  switch (l) {
    case level::debug:
      return "debug";
    case level::info:
      return "info";
    case level::warn:
      return "warn";
    case level::error:
      return "error";
  }
  return "";
}

/// The level as five characters, in its colour (ECMA-48 SGR) if wanted.
inline std::string shown_level(level l, bool in_colour) {
  std::string name = fmt::format("{:5}", name_of(l));
  if (!in_colour) {
    return name;
  }
  static constexpr int colours[] = {90, 32, 33, 31};  // grey, green, yellow, red
  return fmt::format("\x1B[{}m{}\x1B[0m", colours[static_cast<std::size_t>(l)], name);
}

inline void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  append_json_escaped(out, text);
  out += '"';
}

struct append_value {
  std::string& out;
  bool quote_text;

  void operator()(std::monostate) const { out += "null"; }
  void operator()(field::duration v) const {
    if (std::isfinite(v.count())) {
      out += fmt::format("{:.3f}", v.count());
    } else {
      out += "null";
    }
  }
  void operator()(std::int64_t v) const { out += std::to_string(v); }
  void operator()(double v) const {
    if (!std::isfinite(v)) {
      out += "null";
      return;
    }
    char digits[32];
    out.append(digits, std::to_chars(std::begin(digits), std::end(digits), v).ptr);
  }
  void operator()(bool v) const { out += v ? "true" : "false"; }
  void operator()(std::string_view v) const {
    if (quote_text || v.empty() || v.find_first_of(" \"=\\") != std::string_view::npos) {
      append_quoted(out, v);
    } else {
      append_json_escaped(out, v);
    }
  }
};

}  // namespace detail

/// One JSON object without line break: time, level, event, then the fields in order. Always valid JSON: every value is
/// escaped, and a number that JSON cannot spell (not finite) is null.
inline std::string json_line(timestamp time, level l, std::string_view event, std::initializer_list<field> fields) {
  std::string line = R"({"time":")" + to_rfc3339(time) + R"(","level":")";
  line += detail::name_of(l);
  line += R"(","event":)";
  detail::append_quoted(line, event);
  for (const field& f : fields) {
    if (std::holds_alternative<std::monostate>(f.value)) {
      continue;
    }
    line += ',';
    detail::append_quoted(line, f.key);
    line += ':';
    std::visit(detail::append_value{line, true}, f.value);
  }
  line += '}';
  return line;
}

/// "12:34:56.789Z warn  event key=value other="two words"": for a person at a terminal. Control characters are escaped.
/// An event whose first field is bare needs no name: its values are what it is known by.
inline std::string text_line(timestamp time, level l, std::string_view event, std::initializer_list<field> fields,
                             bool in_colour = false) {
  std::string line = to_rfc3339(time).substr(11, 12);
  line += fmt::format("Z {}", detail::shown_level(l, in_colour));
  if (fields.size() == 0 || fields.begin()->shown != in_text::bare) {
    line += ' ';
    append_json_escaped(line, event);
  }
  for (const field& f : fields) {
    if (f.shown == in_text::absent || std::holds_alternative<std::monostate>(f.value)) {
      continue;
    }
    line += ' ';
    if (f.shown == in_text::named) {
      line += f.key;
      line += '=';
    }
    std::visit(detail::append_value{line, false}, f.value);
    if (f.shown == in_text::bare && std::holds_alternative<field::duration>(f.value)) {
      line += "ms";
    }
  }
  return line;
}

}  // namespace coffer::log
