// W3C Trace Context (Recommendation of 23 November 2021): the trace that a request belongs to.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace coffer::api {

/// A valid header traceparent. Views into it.
struct trace_context {
  std::string_view trace_id;   ///< 32 hexadecimal digits, not all 0
  std::string_view parent_id;  ///< 16, not all 0
  std::string_view flags;      ///< 2
};

/// Reads a traceparent (section 3.2); higher versions by what version 00 knows of them. Nullopt: to be ignored.
std::optional<trace_context> read_trace_context(std::string_view header);

/// The traceparent of what this server does for the request: the same trace, a new parent id.
std::string make_traceparent(const trace_context& from);

}  // namespace coffer::api
