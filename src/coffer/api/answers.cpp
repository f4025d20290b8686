#include "coffer/api/answers.hpp"

#include <fmt/format.h>

#include "coffer/api/bulk_body.hpp"
#include "coffer/api/etag.hpp"

namespace coffer::api {

namespace {

/// A body is not encoded and has this media type. `type` is the value of Content-Type.
result<void> require_media(const http::request& r, std::string_view type, std::string_view wanted, std::string detail) {
  if (const auto encoding = r.list("Content-Encoding"); encoding && !http::equal_ignoring_case(*encoding, "identity")) {
    return std::unexpected(error{errc::unsupported_media_type, "The body must not have a Content-Encoding."});
  }
  std::string_view media = type.substr(0, type.find(';'));
  while (media.ends_with(' ') || media.ends_with('\t')) {
    media.remove_suffix(1);
  }
  if (!http::equal_ignoring_case(media, wanted)) {
    return std::unexpected(error{errc::unsupported_media_type, std::move(detail)});
  }
  return {};
}

}  // namespace

result<void> require_json(const http::request& r) {
  const auto type = r.header("Content-Type");
  // No body at all is no JSON, and that says more than a missing type.
  const bool has_body = !r.body.empty();
  return require_media(r, type.value_or(has_body ? "" : http::json_type), http::json_type, {});
}

result<void> require_ndjson(const http::request& r) {
  return require_media(r, r.header("Content-Type").value_or(""), ndjson_type, "The body must be application/x-ndjson.");
}

http::response conditional(http::response whole, std::string etag, const http::request& r) {
  switch (condition_of(r, etag)) {
    case condition::met:
      break;
    case condition::not_modified:
      whole.status = 304;
      whole.content_type = {};
      whole.body.clear();
      whole.shared.reset();
      break;
    case condition::failed:
      return refuse(error{errc::precondition_failed}, r);
  }
  whole.add("ETag", std::move(etag));
  return whole;
}

http::response answer_verdict(const domain::verdict& v, const call& from) {
  if (!v) {
    return refuse(v.error(), from.request);
  }
  const domain::transaction& row = v->row;
  http::response answer;
  if (row.status == domain::transaction_status::failed) {
    answer = problem(domain::refusal_of(row), row.request_id);
  } else {
    answer = http::response{201, http::json_type, render_receipt({row, audience_of(from.by.who)})};
    answer.add("Location", fmt::format("/users/{}/transactions/{}", row.user.value, row.at.value));
  }
  if (v->replayed) {
    answer.add("Idempotent-Replayed", "true");
  }
  return answer;
}

}  // namespace coffer::api
