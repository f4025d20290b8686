#include <fmt/format.h>

#include "coffer/api/answers.hpp"
#include "coffer/api/handlers.hpp"
#include "coffer/api/key_body.hpp"

namespace coffer::api {

net::task<http::response> create_key(context& with, call c) {
  auto body = read_body(create_key_schema(), c.request);
  if (!body) {
    co_return refuse(body.error(), c.request);
  }
  const auth::key_kind kind = body->is_test ? auth::key_kind::test : auth::key_kind::live;
  // The description's rule has read them before.
  const auth::scope_set scopes = auth::scopes_from_string(body->scopes).value();
  for (const auth::scope each : auth::all_scopes) {
    if (!scopes.contains(each)) {
      continue;
    }
    // Nobody makes a key that may do more than the one that made it.
    if (const auto allowed = gate::need(c.by, each); !allowed) {
      co_return refuse(allowed.error(), c.request);
    }
  }
  const auto made =
      co_await with.keys.create(std::move(body->name), kind, scopes, body->expires_at, c.request.deadline);
  co_return made ? created(*made, fmt::format("/keys/{}", made->row.id)) : refuse(made.error(), c.request);
}

net::task<http::response> list_keys(context& with, call c) {
  const std::vector<store::key_row> all = co_await with.keys.list(c.request.deadline);
  co_return http::response{200, http::json_type, render_keys(all)};
}

net::task<http::response> revoke_key(context& with, call c) {
  const auto revoked = co_await with.keys.revoke(c.params[0], c.request.deadline);
  co_return revoked ? ok(*revoked) : refuse(error{errc::not_found, "There is no key with this id."}, c.request);
}

}  // namespace coffer::api
