// Structured log lines: JSON on a pipe, text on a terminal. Values are escaped; secrets and keys are never passed in.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <variant>

namespace coffer::log {

enum class level : std::uint8_t { debug, info, warn, error };
enum class format : std::uint8_t { automatic, json, text };

/// One named value of a log line. Views need to live only until the call returns.
struct field {
  using value_type = std::variant<std::int64_t, double, bool, std::string_view>;

  field(std::string_view k, std::string_view v) : key{k}, value{v} {}
  field(std::string_view k, const char* v) : key{k}, value{std::string_view{v}} {}
  field(std::string_view k, bool v) : key{k}, value{v} {}
  field(std::string_view k, double v) : key{k}, value{v} {}
  template <std::integral T>
  field(std::string_view k, T v) : key{k}, value{static_cast<std::int64_t>(v)} {}

  std::string_view key;
  value_type value;
};

/// Sets the lowest level that is written and the format. `automatic` is text on a terminal and JSON elsewhere. Call
/// once, before threads start; without it, lines of level info and above go to stdout as JSON or text.
void configure(level lowest, format how);

/// Whether a line of this level would be written.
bool enabled(level l) noexcept;

/// Writes one line: time, level, event, then the fields in order. Never blocks on a slow reader of stdout for longer
/// than the queue is full (then the oldest lines are dropped and counted). Thread-safe.
void write(level l, std::string_view event, std::initializer_list<field> fields = {});

/// As write(), but the line may stay in the process for up to a second: for lines that come by the thousand.
void write_buffered(level l, std::string_view event, std::initializer_list<field> fields);

inline void debug(std::string_view event, std::initializer_list<field> fields = {}) {
  write(level::debug, event, fields);
}
inline void info(std::string_view event, std::initializer_list<field> fields = {}) {
  write(level::info, event, fields);
}
inline void warn(std::string_view event, std::initializer_list<field> fields = {}) {
  write(level::warn, event, fields);
}
inline void error(std::string_view event, std::initializer_list<field> fields = {}) {
  write(level::error, event, fields);
}

/// How many lines were dropped because the queue was full; coffer_log_lines_dropped_total among the metrics.
std::uint64_t dropped();

/// Writes out what is queued. Call before the process ends.
void flush();

}  // namespace coffer::log
