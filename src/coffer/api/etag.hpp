// Entity tags of versioned resources.
#pragma once

#include <string>
#include <string_view>

#include "coffer/api/operation.hpp"
#include "coffer/base/ids.hpp"

namespace coffer::api {

/// `"7"` (RFC 9110 section 8.8.3).
std::string make_etag(version at);

/// The header If-None-Match for documents.
parameter none_match_parameter(std::string_view example);

/// Whether an If-None-Match value matches `etag`: "*", or a list with an equal tag under weak comparison (RFC 9110
/// sections 13.1.2 and 8.8.3.2). A malformed list matches nothing.
bool none_match_hits(std::string_view if_none_match, std::string_view etag);

}  // namespace coffer::api
