#include "coffer/api/answers.hpp"
#include "coffer/api/bulk_grants.hpp"
#include "coffer/api/handlers.hpp"

namespace coffer::api {

namespace {

/// Whether the sender of a request is still let in.
net::task<result<void>> identify_again(gate& by, const http::request& r) {
  admission now;
  auto found = by.identify(now, r);
  if (const auto* const wanted = std::get_if<auth::unknown_key>(&found)) {
    const auth::unknown_key asked = *wanted;
    co_return co_await by.look_up(now, r, asked);
  }
  co_return std::get<result<void>>(std::move(found));
}

}  // namespace

net::task<http::response> grant_in_bulk(context& with, call c) {
  if (result<void> type = require_ndjson(c.request); !type) {
    co_return refuse(type.error(), c.request);
  }
  if (c.request.header("Idempotency-Key")) {
    co_return refuse(error{errc::invalid_idempotency_key, "An upload has no key of its own; its lines have."},
                     c.request);
  }
  std::shared_ptr<void> slot = with.uploads.take();
  if (!slot) {
    co_return refuse(error{errc::overloaded, "Too many uploads are running."}, c.request);
  }
  http::response answer{200};
  answer.content_type = ndjson_type;
  bulk_grants::permission allowed = [by = &with.gate, r = &c.request] { return identify_again(*by, *r); };
  const net::executor ex = co_await asio::this_coro::executor;
  answer.source = std::make_shared<bulk_grants>(with.wallet, with.tasks, c.request.stream, c.request.request_id,
                                                actor_of(c.by.who), std::move(slot), std::move(allowed), ex);
  co_return answer;
}

}  // namespace coffer::api
