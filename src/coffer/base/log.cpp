#include "coffer/base/log.hpp"

#include <unistd.h>

#include <atomic>
#include <charconv>
#include <string>

#include <fmt/format.h>
#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "coffer/base/clock.hpp"

namespace coffer::log {

namespace {

/// Lines that may wait for a slow reader of stdout; beyond it the oldest are dropped.
constexpr std::size_t queue_limit = 8192;

std::atomic<level> lowest_level{level::info};
std::atomic<bool> as_json{true};

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

/// The asynchronous writer to stdout. Made at the first line.
spdlog::logger& writer() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    spdlog::init_thread_pool(queue_limit, 1);
    auto made =
        std::make_shared<spdlog::async_logger>("coffer", std::make_shared<spdlog::sinks::stdout_sink_mt>(),
                                               spdlog::thread_pool(), spdlog::async_overflow_policy::overrun_oldest);
    made->set_pattern("%v");
    made->set_level(spdlog::level::trace);
    spdlog::register_logger(made);
    spdlog::flush_every(std::chrono::seconds{1});
    return made;
  }();
  return *instance;
}

/// Appends `text` with everything escaped that could end the string or the line (RFC 8259 section 7). Bytes above 127
/// are copied: callers hand over UTF-8.
void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      constexpr std::string_view hex = "0123456789abcdef";
      out += "\\u00";
      out += hex[byte >> 4U];
      out += hex[byte & 15U];
    } else {
      out += c;
    }
  }
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  append_escaped(out, text);
  out += '"';
}

struct append_value {
  std::string& out;
  bool quote_text;

  void operator()(std::int64_t v) const { out += std::to_string(v); }
  void operator()(double v) const {
    char digits[32];
    out.append(digits, std::to_chars(std::begin(digits), std::end(digits), v).ptr);
  }
  void operator()(bool v) const { out += v ? "true" : "false"; }
  void operator()(std::string_view v) const {
    if (quote_text || v.empty() || v.find_first_of(" \"=\\") != std::string_view::npos) {
      append_quoted(out, v);
    } else {
      append_escaped(out, v);
    }
  }
};

std::string json_line(level l, std::string_view event, std::initializer_list<field> fields) {
  std::string line = R"({"time":")" + to_rfc3339(now()) + R"(","level":")";
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

std::string text_line(level l, std::string_view event, std::initializer_list<field> fields) {
  std::string line = to_rfc3339(now()).substr(11, 12);
  line += fmt::format(" {:5} ", name_of(l));
  append_escaped(line, event);
  for (const field& f : fields) {
    line += ' ';
    line += f.key;
    line += '=';
    std::visit(append_value{line, false}, f.value);
  }
  return line;
}

}  // namespace

void configure(level lowest, format how) {
  lowest_level = lowest;
  as_json = how == format::json || (how == format::automatic && ::isatty(STDOUT_FILENO) == 0);
}

bool enabled(level l) noexcept { return l >= lowest_level.load(std::memory_order_relaxed); }

void write(level l, std::string_view event, std::initializer_list<field> fields) {
  if (enabled(l)) {
    write_buffered(l, event, fields);
    writer().flush();
  }
}

void write_buffered(level l, std::string_view event, std::initializer_list<field> fields) {
  if (!enabled(l)) {
    return;
  }
  // The finished line is an argument, never a format: it may contain braces.
  const std::string line = as_json ? json_line(l, event, fields) : text_line(l, event, fields);
  writer().log(spdlog::level::info, spdlog::string_view_t{line.data(), line.size()});
}

void flush() { writer().flush(); }

}  // namespace coffer::log
