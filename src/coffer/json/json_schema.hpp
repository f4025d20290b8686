// Descriptions of members as JSON Schema (2020-12), for documents that are read by other programs.
#pragma once

#include <span>
#include <string>

#include "coffer/json/schema.hpp"
#include "coffer/json/writer.hpp"

namespace coffer::json {

/// The schema of one member as an object.
void write_schema(writer& out, const member_info& member);

/// The member "required" of an object's schema; left out when there is no such name, as older drafts demand.
void write_required(writer& out, std::span<const std::string_view> names);

/// The schema of an object with exactly these members, of which at least `least` must be there.
std::string object_schema(std::span<const member_info> members, std::int64_t least = 0);

}  // namespace coffer::json
