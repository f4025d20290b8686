// Structured log lines: JSON on a pipe, text on a terminal. Values are escaped; secrets and keys are never passed in.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <variant>

namespace coffer::log {

enum class level : std::uint8_t { debug, info, warn, error };
enum class format : std::uint8_t { automatic, json, text };

/// How a field is shown in text, where a row of a terminal has to do. JSON has every field by its name.
enum class in_text : std::uint8_t {
  named,   ///< name=value
  bare,    ///< the value alone: the event says what it is
  absent,  ///< not at all
};

/// One named value of a log line; without a value the line does not have it. Views need to live only until the call
/// returns. A duration is a number of milliseconds with three decimals: its name ends in _ms.
struct field {
  using duration = std::chrono::duration<double, std::milli>;
  using value_type = std::variant<std::monostate, std::int64_t, double, bool, std::string_view, duration>;

  field(std::string_view k, std::string_view v) : key{k}, value{v} {}
  field(std::string_view k, const char* v) : key{k}, value{std::string_view{v}} {}
  field(std::string_view k, bool v) : key{k}, value{v} {}
  field(std::string_view k, double v) : key{k}, value{v} {}
  template <std::integral T>
  field(std::string_view k, T v) : key{k}, value{static_cast<std::int64_t>(v)} {}
  template <typename Rep, typename Period>
  field(std::string_view k, std::chrono::duration<Rep, Period> v) : key{k}, value{duration{v}} {}
  template <typename T>
  field(std::string_view k, const std::optional<T>& v) : field{v ? field{k, *v} : field{k}} {}

  /// The same field, shown otherwise in text.
  [[nodiscard]] field as(in_text how) const {
    field changed = *this;
    changed.shown = how;
    return changed;
  }

  std::string_view key;
  value_type value;
  in_text shown = in_text::named;

 private:
  explicit field(std::string_view k) : key{k} {}
};

/// Sets the lowest level that is written and the format. `automatic` is text on a terminal and JSON elsewhere. Text on
/// a terminal shows the level in colour, unless NO_COLOR is set or TERM is dumb. Call once, before threads start;
/// without it, lines of level info and above go to stdout as JSON.
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

/// How many lines were dropped because the queue was full or stdout could not be written to (its reader has gone);
/// coffer_log_lines_dropped_total among the metrics.
std::uint64_t dropped();

/// Writes out what is queued. Call before the process ends.
void flush();

}  // namespace coffer::log
