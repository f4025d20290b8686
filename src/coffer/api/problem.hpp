// Problem details (RFC 9457): the one place where an error becomes an HTTP answer.
#pragma once

#include <string>
#include <string_view>

#include "coffer/api/problem_table.hpp"
#include "coffer/base/error.hpp"
#include "coffer/http/response.hpp"

namespace coffer::api {

/// The problem document. A pure function, so that a replayed refusal is the same bytes.
std::string problem_body(const error& what, std::string_view request_id);

/// The whole answer: 503 carries Retry-After. Allow of a 405 is the caller's, and what 401 and 429 carry the gate's.
http::response problem(const error& what, std::string_view request_id);

/// The answer to what the HTTP layer refuses; the rejection's own status is kept.
http::response problem(const http::rejection& why, std::string_view request_id);

}  // namespace coffer::api
