#include "coffer/api/answers.hpp"

#include <fmt/format.h>

namespace coffer::api {

result<void> require_json(const http::request& r) {
  if (const auto encoding = r.header("Content-Encoding"); encoding && *encoding != "identity") {
    return std::unexpected(error{errc::unsupported_media_type, "The body must not have a Content-Encoding."});
  }
  const auto type = r.header("Content-Type");
  if (!type) {
    return {};
  }
  std::string_view media = type->substr(0, type->find(';'));
  while (media.ends_with(' ') || media.ends_with('\t')) {
    media.remove_suffix(1);
  }
  if (!http::equal_ignoring_case(media, "application/json")) {
    return std::unexpected(error{errc::unsupported_media_type});
  }
  return {};
}

http::response answer_verdict(const domain::verdict& v, const http::request& r) {
  if (!v) {
    return refuse(v.error(), r);
  }
  const domain::transaction& row = v->row;
  http::response answer;
  if (row.status == domain::transaction_status::failed) {
    answer = problem(domain::refusal_of(row), row.request_id);
  } else {
    answer = http::response{201, http::json_type, render_receipt(row)};
    answer.add("Location", fmt::format("/users/{}/transactions/{}", row.user.value, row.at.value));
  }
  if (v->replayed) {
    answer.add("Idempotent-Replayed", "true");
  }
  return answer;
}

}  // namespace coffer::api
