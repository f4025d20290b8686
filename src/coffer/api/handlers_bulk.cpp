#include "coffer/api/answers.hpp"
#include "coffer/api/bulk_grants.hpp"
#include "coffer/api/handlers.hpp"
#include "coffer/api/held_answers.hpp"

namespace coffer::api {

namespace {

/// Whether the sender of a request is still let in. The request's own deadline may have passed long ago.
net::task<result<void>> identify_again(gate& by, const http::request& r) {
  const net::deadline until = net::deadline_in(r.deadline - r.received);
  admission now;
  auto found = by.identify(now, r);
  if (const auto* const wanted = std::get_if<auth::unknown_key>(&found)) {
    const auth::unknown_key asked = *wanted;
    co_return co_await by.look_up(now, r, asked, until);
  }
  co_return std::get<result<void>>(std::move(found));
}

/// Carries an upload out and keeps its answers. `time` is what a line may take.
net::task<> hold_answers(bulk_grants& grants, held_answers& held, shown_answers wanted, net::deadline::duration time) {
  for (bool more = true; more;) {
    grants.show(held.room_for(wanted));
    const std::string answers = co_await grants.next(net::deadline_in(time));
    held.add(answers);
    more = !answers.empty();
  }
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
  list_query query{c.request};
  const answer_mode mode = query.parsed(answers_parameter, answer_mode_from_string).value_or(answer_mode::all);
  if (const auto valid = query.finish(); !valid) {
    co_return refuse(valid.error(), c.request);
  }
  std::shared_ptr<void> slot = with.uploads.take();
  if (!slot) {
    co_return refuse(error{errc::overloaded, "Too many uploads are running."}, c.request);
  }
  http::response answer{200};
  answer.content_type = ndjson_type;
  bulk_grants::permission allowed = [by = &with.gate, r = &c.request] { return identify_again(*by, *r); };
  const net::executor ex = co_await asio::this_coro::executor;
  const auto grants = std::make_shared<bulk_grants>(with.wallet, with.tasks, c.request.stream, c.request.request_id,
                                                    actor_of(c.by.who), slot, std::move(allowed), ex);
  if (mode == answer_mode::streamed) {
    answer.source = grants;
    co_return answer;
  }
  const auto held = std::make_shared<held_answers>(with.held, slot);
  const shown_answers wanted = mode == answer_mode::all ? shown_answers::all : shown_answers::refusals;
  co_await hold_answers(*grants, *held, wanted, c.request.deadline - c.request.received);
  answer.source = held;
  co_return answer;
}

}  // namespace coffer::api
