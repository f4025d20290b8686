// POST /grants/bulk: what its lines look like, both ways.
#pragma once

#include <optional>
#include <string>

#include "coffer/api/operation.hpp"
#include "coffer/api/shape.hpp"
#include "coffer/base/ids.hpp"
#include "coffer/json/schema.hpp"

namespace coffer::api {

inline constexpr std::string_view ndjson_type = "application/x-ndjson";

/// One line of the upload.
struct bulk_line {
  user_id user;
  std::optional<std::int64_t> credits;
  std::optional<product_id> product;
  std::optional<std::int64_t> quantity;
  std::string reason;
  std::string idempotency_key;
};

const json::object<bulk_line>& bulk_line_schema();

/// What became of the lines of an upload: the last line of its answer.
struct bulk_summary {
  std::size_t lines = 0;     ///< answered, each counted once below
  std::size_t granted = 0;   ///< by this upload
  std::size_t replayed = 0;  ///< granted before, under the same key
  std::size_t failed = 0;
  bool complete = false;  ///< the upload was taken to its end
};

std::string render_summary(const bulk_summary& s);

/// What a line of the answer looks like.
void add_bulk_shape(shapes& all);

}  // namespace coffer::api
