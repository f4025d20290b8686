// Handlers that read a body while it arrives.
#pragma once

#include <atomic>
#include <cstddef>

#include "coffer/http/handler.hpp"

namespace coffer::test {

/// Answers by path:
///   /upload/whole     200 with the body; when it failed, the failure's status and its code behind what had come
///   /upload/mirror?N  200 with each piece as it comes, N milliseconds later; then "|end", "|stopped" or "|CODE"
///   /upload/first     200 with the first piece; the rest is not read
///   others            415 without reading
/// and 200 "no body" to requests without one.
/// `taken` counts the bytes read.
http::eventual_response answer_upload(http::request& r, std::atomic<std::size_t>& taken);

}  // namespace coffer::test
