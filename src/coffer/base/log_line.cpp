#include "coffer/base/log_line.hpp"

#include <charconv>
#include <cmath>
#include <iterator>

#include <fmt/format.h>

#include "coffer/base/text.hpp"

namespace coffer::log {

namespace {

std::string_view name_of(level l) {
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

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  append_json_escaped(out, text);
  out += '"';
}

struct append_value {
  std::string& out;
  bool quote_text;

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

}  // namespace

std::string json_line(timestamp time, level l, std::string_view event, std::initializer_list<field> fields) {
  std::string line = R"({"time":")" + to_rfc3339(time) + R"(","level":")";
  line += name_of(l);
  line += R"(","event":)";
  append_quoted(line, event);
  for (const field& f : fields) {
    line += ',';
    append_quoted(line, f.key);
    line += ':';
    std::visit(append_value{line, true}, f.value);
  }
  line += '}';
  return line;
}

std::string text_line(timestamp time, level l, std::string_view event, std::initializer_list<field> fields) {
  std::string line = to_rfc3339(time).substr(11, 12);
  line += fmt::format(" {:5} ", name_of(l));
  append_json_escaped(line, event);
  for (const field& f : fields) {
    line += ' ';
    line += f.key;
    line += '=';
    std::visit(append_value{line, false}, f.value);
  }
  return line;
}

}  // namespace coffer::log
