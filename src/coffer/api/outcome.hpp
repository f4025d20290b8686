// What became of a command as a part of a larger answer.
#pragma once

#include <string_view>

#include "coffer/api/audience.hpp"
#include "coffer/api/shape.hpp"
#include "coffer/domain/command.hpp"
#include "coffer/json/writer.hpp"

namespace coffer::api {

/// Appends the members "status" (that of the single request's answer) and "receipt", or "problem" and, when the refusal
/// was recorded, "transaction". `request_id` is the one that a refusal without a journal row shows.
void render_outcome(json::writer& out, const domain::verdict& v, std::string_view request_id, audience to);

/// What a single outcome looks like.
void add_outcome_shape(shapes& all);

/// What the answer to a batch looks like.
void add_batch_shape(shapes& all);

}  // namespace coffer::api
