#include "coffer/api/etag.hpp"
#include "coffer/api/handlers.hpp"

namespace coffer::api {

namespace {

/// The document, or 304 when the client has it.
http::response serve(const document& what, std::string_view type, const http::request& r) {
  http::response answer;
  const auto known = r.header("If-None-Match");
  if (known && none_match_hits(*known, what.etag)) {
    answer.status = 304;
  } else {
    answer = http::response{200, type, what.text};
  }
  answer.add("ETag", what.etag);
  answer.add("Cache-Control", "no-cache");
  return answer;
}

}  // namespace

http::response get_openapi(context& with, call c) { return serve(with.described.openapi, http::json_type, c.request); }

}  // namespace coffer::api
