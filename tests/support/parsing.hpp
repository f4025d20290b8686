// Runs the HTTP parser over bytes that arrive in given pieces, as a connection would.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "coffer/http/limits.hpp"

namespace coffer::test {

/// What the parser made of a stream: one line per request, e.g. "GET /x [host: a] body=abc", then "400
/// malformed_request" for a refusal, or "..." for a request that is not complete.
std::string parse_in_pieces(const std::vector<std::string_view>& pieces, const http::limits& most = {});

/// As above, fed at once, byte by byte, and cut in two at every place. Throws std::runtime_error, naming the cut, when
/// the outcomes differ.
std::string parse_all_ways(std::string_view bytes, const http::limits& most = {});

}  // namespace coffer::test
