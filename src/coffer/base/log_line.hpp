// The text of a log line. Pure: knows neither where lines go nor which of them are wanted.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "coffer/base/clock.hpp"
#include "coffer/base/log.hpp"

namespace coffer::log {

/// One JSON object without line break: time, level, event, then the fields in order. Always valid JSON: every value is
/// escaped, and a number that JSON cannot spell (not finite) is null.
std::string json_line(timestamp time, level l, std::string_view event, std::initializer_list<field> fields);

/// "12:34:56.789Z warn  event key=value other="two words"": for a person at a terminal. Control characters are escaped.
/// An event whose first field is bare needs no name: its values are what it is known by.
std::string text_line(timestamp time, level l, std::string_view event, std::initializer_list<field> fields,
                      bool in_colour = false);

}  // namespace coffer::log
