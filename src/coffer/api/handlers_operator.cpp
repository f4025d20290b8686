// What operators do to a wallet: grants and refunds.
#include "coffer/api/answers.hpp"
#include "coffer/api/grant.hpp"
#include "coffer/api/handlers.hpp"
#include "coffer/api/idempotency.hpp"

namespace coffer::api {

error check_refund(const domain::transaction& row, bool has_quantity, refund_flags flags) {
  error found{errc::validation_failed};
  const auto add = [&found](const char* pointer, const char* detail) {
    found.fields.push_back({.pointer = pointer, .code = "other_kind", .detail = detail, .params = {}});
  };
  if (row.kind == domain::transaction_kind::deposit) {
    if (has_quantity) {
      add("#/quantity", "must be left out: the transaction is a deposit, which is taken back as a whole");
    }
    if (flags.force) {
      add("#/force", "must be left out: the transaction is a deposit; up_to takes back what is there");
    }
  } else if (flags.up_to) {
    add("#/up_to", "must be left out: the transaction is no deposit");
  }
  return found;
}

net::task<http::response> grant(context& with, call c) {
  result<std::string> key = idempotency_key(c.request);
  if (!key) {
    co_return refuse(key.error(), c.request);
  }
  auto body = read_body(grant_schema(), c.request);
  if (!body) {
    co_return refuse(body.error(), c.request);
  }
  service::request_identity who = identify(c, *std::move(key), [] { return domain::fingerprint{}; });
  const domain::verdict v =
      co_await decide_grant(with.wallet, user_id{c.params[0]}, *std::move(body), std::move(who), c.request.deadline);
  co_return answer_verdict(v, c);
}

net::task<http::response> refund(context& with, call c) {
  result<std::string> key = idempotency_key(c.request);
  if (!key) {
    co_return refuse(key.error(), c.request);
  }
  const auto body = read_body(refund_schema(), c.request);
  if (!body) {
    co_return refuse(body.error(), c.request);
  }
  const user_id user{c.params[0]};
  auto purchase = co_await with.history.find(user, version{c.params[1]}, c.request.deadline);
  if (!purchase) {
    co_return refuse(purchase.error(), c.request);
  }
  const refund_flags flags{.force = body->force, .up_to = body->up_to, .note_public = body->note_public};
  if (const error odd = check_refund(*purchase, body->quantity.has_value(), flags); !odd.fields.empty()) {
    co_return refuse(odd, c.request);
  }
  const std::int64_t units = body->quantity.value_or(0);
  auto who = identify(c, *std::move(key), [&] { return refund_print(user, purchase->at, units, flags, body->reason); });
  service::refund_wish what{units, flags.force, flags.up_to};
  service::operator_note note{body->reason, flags.note_public};
  const domain::verdict v =
      co_await with.wallet.refund(*std::move(purchase), what, std::move(note), std::move(who), c.request.deadline);
  co_return answer_verdict(v, c);
}

}  // namespace coffer::api
