#include "coffer/api/answers.hpp"
#include "coffer/api/handlers.hpp"
#include "coffer/api/idempotency.hpp"
#include "coffer/api/outcome.hpp"
#include "coffer/http/query_string.hpp"

namespace coffer::api {

net::task<http::response> get_operation(context& with, call c) {
  const auto decoded = http::percent_decode(c.params.text(), false);
  result<std::string> key = parse_idempotency_key(decoded.value_or(""));
  if (!key) {
    co_return refuse(key.error(), c.request);
  }
  auto found =
      co_await with.outcomes.find(user_id{c.params[0]}, c.by.who.only.has_value(), *std::move(key), c.request.deadline);
  if (!found) {
    co_return refuse(found.error(), c.request);
  }
  const domain::verdict known = domain::decision{.row = *std::move(found), .replayed = true};
  std::string body;
  json::writer out{body};
  out.begin_object();
  render_outcome(out, known, c.request.request_id, audience_of(c.by.who));
  out.end_object();
  co_return http::response{200, http::json_type, std::move(body)};
}

}  // namespace coffer::api
