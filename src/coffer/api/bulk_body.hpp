// POST /grants/bulk: what its lines look like, both ways.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "coffer/api/list_query.hpp"
#include "coffer/api/operation.hpp"
#include "coffer/api/shape.hpp"
#include "coffer/base/ids.hpp"
#include "coffer/json/schema.hpp"

namespace coffer::api {

inline constexpr std::string_view ndjson_type = "application/x-ndjson";

/// When and how an upload is answered.
enum class answer_mode : std::uint8_t { all, failures, streamed };
/// As `?answers=` spells them.
inline constexpr std::array<std::string_view, 3> answer_modes = {"all", "failures", "streamed"};

inline constexpr query_parameter answers_parameter{
    "answers", "string",
    "`all`, the default: a line for each, once the upload has been read. `failures`: likewise, but only of what was "
    "not "
    "granted. `streamed`: a line for each as soon as it is decided, for clients that read while they send.",
    answer_modes};

std::optional<answer_mode> answer_mode_from_string(std::string_view text) noexcept;

/// One line of the upload.
struct bulk_line {
  user_id user;
  std::optional<std::int64_t> credits;
  std::optional<product_id> product;
  std::optional<std::int64_t> quantity;
  std::string reason;
  bool note_public = false;
  std::string idempotency_key;
};

const json::object<bulk_line>& bulk_line_schema();

/// What became of the lines of an upload: the last line of its answer.
struct bulk_summary {
  std::size_t lines = 0;     ///< answered, each counted once below
  std::size_t granted = 0;   ///< by this upload
  std::size_t replayed = 0;  ///< granted before, under the same key
  std::size_t failed = 0;
  std::size_t omitted = 0;  ///< of these lines: answers that are not shown
  bool complete = false;    ///< the upload was taken to its end
};

std::string render_summary(const bulk_summary& s);

/// What a line of the answer looks like.
void add_bulk_shape(shapes& all);

}  // namespace coffer::api
