// What each error code means: the one source for answers, for the pages below /problems and for /openapi.json.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "coffer/base/error.hpp"

namespace coffer::api {

/// Whether sending a request again helps.
enum class retry : std::uint8_t {
  corrected,  ///< only as another request: this one is wrong in itself
  changed,    ///< only once the state that refused it has changed, under a new Idempotency-Key
  later,      ///< yes, after a pause; nothing was applied
  same_key,   ///< yes, with the same Idempotency-Key: that is how to learn what happened
};

/// "corrected" etc.
std::string_view to_string(retry advice) noexcept;
/// One or two sentences for a person.
std::string_view sentence_of(retry advice) noexcept;

/// A number that a problem carries besides the members that all have.
struct problem_number {
  std::string_view name;
  std::string_view text;
  std::int64_t sample = 0;
  bool is_time = false;  ///< in microseconds since the Unix epoch; shown in RFC 3339, or null
};

/// Those of one code; unused ones have no name.
using problem_numbers = std::array<problem_number, 3>;

/// What a code means over HTTP.
struct problem_kind {
  int status;
  std::string_view title;
  std::string_view detail;  ///< used when the error brings no sentence of its own
  std::string_view cause;   ///< when this happens and what to do about it
  retry advice;
  bool has_errors = false;  ///< carries the list `errors`
  problem_numbers numbers{};
};

/// The one table.
const problem_kind& kind_of(errc code) noexcept;

}  // namespace coffer::api
