#include <fmt/format.h>

#include "coffer/api/answers.hpp"
#include "coffer/api/handlers.hpp"
#include "coffer/api/key_body.hpp"
#include "coffer/api/once.hpp"

namespace coffer::api {

net::task<http::response> create_key(context& with, call c) {
  result<std::string> idempotency = idempotency_key(c.request);
  if (!idempotency) {
    co_return refuse(idempotency.error(), c.request);
  }
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
  const auto respond = [r = &c.request](const result<service::made_key>& made) {
    return made ? created(*made, fmt::format("/keys/{}", made->row.id)) : refuse(made.error(), *r);
  };
  // The key itself is stored nowhere, so a repetition shows which one was made, and null for its text.
  const auto respond_again = [respond](const result<service::made_key>& made) {
    return made ? respond(service::made_key{made->row, {}}) : respond(made);
  };
  auto under = keyed<service::made_key>(c, *std::move(idempotency), "create-key", 0, canonical(*body), respond_again);
  const auto made = co_await with.keys.create(std::move(body->name), kind, scopes, body->expires_at, std::move(under),
                                              c.request.deadline);
  co_return answer_written(made, respond);
}

net::task<http::response> list_keys(context& with, call c) {
  const std::vector<store::key_row> all = co_await with.keys.list(c.request.deadline);
  co_return http::response{200, http::json_type, render_keys(all)};
}

net::task<http::response> revoke_key(context& with, call c) {
  result<std::string> key = idempotency_key(c.request);
  if (!key) {
    co_return refuse(key.error(), c.request);
  }
  const auto respond = [r = &c.request](const result<store::key_row>& revoked) {
    return revoked ? ok(*revoked) : refuse(revoked.error(), *r);
  };
  auto under = keyed<store::key_row>(c, *std::move(key), "revoke-key", c.params[0], {}, respond);
  const auto revoked = co_await with.keys.revoke(c.params[0], std::move(under), c.request.deadline);
  co_return answer_written(revoked, respond);
}

}  // namespace coffer::api
