// Page cursors: opaque to clients, bound to the list and the filters they were made for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "coffer/base/error.hpp"

namespace coffer::api {

/// A cursor that continues after `position` in the list that `scope` describes (path id and filters, in any text).
std::string make_cursor(std::int64_t position, std::string_view scope);

/// The position of a cursor that was made for `scope`. Refusal: invalid_cursor for anything else: another list, other
/// filters, altered text.
result<std::int64_t> read_cursor(std::string_view cursor, std::string_view scope);

}  // namespace coffer::api
