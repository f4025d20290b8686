// Short texts from clients and operators: escapes, addresses, limits, durations, times, traces. The first byte says
// which.
#include <string>

#include "coffer/api/trace_context.hpp"
#include "coffer/app/settings_values.hpp"
#include "coffer/base/base64url.hpp"
#include "coffer/base/clock.hpp"
#include "coffer/http/query_string.hpp"
#include "coffer/limit/address_subject.hpp"
#include "coffer/limit/policy.hpp"
#include "fuzz/fuzz.hpp"

namespace {

using namespace coffer;

void escapes(std::string_view text) {
  if (const auto decoded = http::percent_decode(text, true)) {
    fuzz::require(decoded->size() <= text.size(), "decoding only shrinks");
    fuzz::require(text.find('\0') != std::string_view::npos || decoded->find('\0') == std::string::npos,
                  "no escape brings a NUL");
  }
  static_cast<void>(http::query_string::parse(text));
}

void settings(std::string_view text) {
  if (const auto p = limit::parse_policies(text)) {
    fuzz::require(limit::parse_policies(limit::to_string(*p)).has_value(), "policies that are written can be read");
  }
  if (const auto d = app::parse_duration(text)) {
    fuzz::require(app::parse_duration(app::format_duration(*d)) == d, "durations that are written can be read");
  }
  if (const auto s = app::parse_size(text)) {
    fuzz::require(app::parse_size(app::format_size(*s)) == s, "sizes that are written can be read");
  }
  if (const auto a = app::parse_listen_address(text)) {
    fuzz::require(app::parse_listen_address(a->text()).has_value(), "addresses that are written can be read");
  }
  static_cast<void>(limit::address_subject(std::string{text}));
}

void times_and_bytes(std::string_view text) {
  if (const auto time = from_rfc3339(text)) {
    fuzz::require(from_rfc3339(to_rfc3339(*time)) == time, "times that are written can be read");
  }
  if (const auto bytes = from_base64url(text)) {
    fuzz::require(to_base64url(*bytes) == text, "base64url has one spelling");
  }
  if (const auto trace = api::read_trace_context(text)) {
    fuzz::require(api::read_trace_context(api::make_traceparent(*trace)).has_value(), "a trace goes on");
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::decisions from{fuzz::text_of(data, size)};
  constexpr void (*kinds[])(std::string_view) = {escapes, settings, times_and_bytes};
  const std::uint8_t kind = from.byte();
  kinds[kind % std::size(kinds)](from.rest());
  return 0;
}
