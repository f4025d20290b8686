// Entity tags, and the conditions that requests make of them.
#pragma once

#include <string>
#include <string_view>

#include "coffer/api/operation.hpp"
#include "coffer/base/ids.hpp"
#include "coffer/http/request.hpp"

namespace coffer::api {

/// `"7"` (RFC 9110 section 8.8.3).
std::string make_etag(version at);

/// A tag made of the bytes of a representation: another one has another tag.
std::string digest_etag(std::string_view bytes);

/// The headers If-None-Match and If-Match for documents.
parameter none_match_parameter(std::string_view example);
parameter match_parameter(std::string_view example);

/// Whether an If-None-Match value matches `etag`: "*", or a list with an equal tag under weak comparison (RFC 9110
/// sections 13.1.2 and 8.8.3.2). A malformed list matches nothing.
bool none_match_hits(std::string_view if_none_match, std::string_view etag);

/// Whether an If-Match value matches `etag`: "*", or a list with an equal tag under strong comparison, where a weak tag
/// equals nothing (RFC 9110 sections 13.1.1 and 8.8.3.2). A malformed list matches nothing.
bool match_hits(std::string_view if_match, std::string_view etag);

/// What the conditions of a request come to.
enum class condition : std::uint8_t {
  met,           ///< or there is none
  not_modified,  ///< the client has it: 304
  failed,        ///< it has changed: 412
};

/// The conditions of a GET or HEAD of a representation with this tag, in the order of RFC 9110 section 13.2.2.
condition condition_of(const http::request& r, std::string_view etag);

}  // namespace coffer::api
