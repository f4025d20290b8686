#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "coffer/api/answers.hpp"
#include "coffer/api/grant.hpp"
#include "coffer/api/handlers.hpp"
#include "coffer/api/idempotency.hpp"
#include "coffer/api/outcome.hpp"

namespace coffer::api {

namespace {

/// What an operation needs and counts as: what the request for it alone does.
struct rules_of_operation {
  auth::scope scope;
  limit::route_class counts_as;
};

const rules_of_operation& rules_of(operation_kind kind) {
  using auth::scope;
  using limit::route_class;
  static constexpr std::array<rules_of_operation, 5> by_kind = {{{scope::purchases_write, route_class::purchase},
                                                                 {scope::inventory_write, route_class::use},
                                                                 {scope::funds_write, route_class::funds},
                                                                 {scope::grants_write, route_class::funds},
                                                                 {scope::refunds_write, route_class::funds}}};
  return by_kind.at(static_cast<std::size_t>(kind) - 1);
}

refund_flags flags_of(const batch_operation& o) {
  return {.force = o.force, .up_to = o.up_to, .note_public = o.note_public};
}

/// `purchase` is the row that a refund is about.
domain::command to_command(const batch_operation& o, user_id user, const call& from,
                           const domain::transaction* purchase) {
  domain::command c;
  c.user = user;
  c.request_id = from.request.request_id;
  c.by = actor_of(from.by.who);
  c.idempotency_key = o.idempotency_key;
  c.note = o.reason;
  c.note_public = o.note_public;
  switch (o.kind) {
    case operation_kind::purchase:
      c.kind = domain::transaction_kind::purchase;
      c.product = o.product;
      c.quantity = o.quantity.value_or(1);
      c.expected_price = o.expected_price;
      c.print = purchase_print(o.product, user, c.quantity, o.expected_price);
      break;
    case operation_kind::use:
      c.kind = domain::transaction_kind::use;
      c.product = o.product;
      c.quantity = o.quantity.value_or(1);
      c.print = use_print(o.product, user, c.quantity);
      break;
    case operation_kind::add_funds:
      c.kind = domain::transaction_kind::deposit;
      c.amount = o.amount;
      c.print = deposit_print(user, o.amount);
      break;
    case operation_kind::grant:
      c.kind = domain::transaction_kind::grant;
      if (o.credits) {
        c.amount = domain::credits{*o.credits};
        c.print = grant_credits_print(user, c.amount, o.reason, o.note_public);
      } else {
        c.product = o.product;
        c.quantity = o.quantity.value_or(0);
        c.print = grant_items_print(user, o.product, c.quantity, o.reason, o.note_public);
      }
      break;
    case operation_kind::refund:
      c.kind = domain::transaction_kind::refund;
      c.quantity = o.quantity.value_or(0);
      c.force = o.force;
      c.up_to = o.up_to;
      c.print = refund_print(user, o.purchase, c.quantity, flags_of(o), o.reason);
      c.product = purchase->product;
      c.purchase = domain::to_refund(*purchase);
      break;
  }
  return c;
}

/// The refusal of a batch whose operation `place` refunds a version that the user does not have.
error no_such_purchase(std::size_t place, error why) {
  why.detail = fmt::format("The user has no transaction with the version that operation {} refunds.", place);
  return why;
}

/// The refusal that the batch as a whole is answered with: nothing was decided, and for one reason.
const error* whole_refusal(const std::vector<domain::verdict>& verdicts) {
  const domain::verdict& first = verdicts.front();
  if (first || (first.error().code != errc::user_not_found && kind_of(first.error().code).status < 500)) {
    return nullptr;
  }
  const bool same = std::all_of(verdicts.begin(), verdicts.end(), [&first](const domain::verdict& v) {
    return !v && (v.error().code == first.error().code || v.error().code == errc::not_executed);
  });
  return same ? &first.error() : nullptr;
}

std::string render_batch(const batch_body& body, const std::vector<domain::verdict>& verdicts, const call& from) {
  const auto completed = std::count_if(verdicts.begin(), verdicts.end(), [](const domain::verdict& v) {
    return v && v->row.status == domain::transaction_status::completed;
  });
  std::string text;
  json::writer out{text};
  out.begin_object();
  out.key("user_id");
  out.value(body.user.value);
  out.key("atomic");
  out.value(body.atomic);
  out.key("completed");
  out.value(completed);
  out.key("operations");
  out.begin_array();
  for (const domain::verdict& v : verdicts) {
    out.begin_object();
    render_outcome(out, v, from.request.request_id, audience_of(from.by.who));
    out.key("replayed");
    out.value(v && v->replayed);
    out.end_object();
  }
  out.end_array();
  out.end_object();
  return text;
}

}  // namespace

net::task<http::response> run_batch(context& with, call c) {
  if (c.request.header("Idempotency-Key")) {
    co_return refuse(error{errc::invalid_idempotency_key, "A batch has no key of its own; its operations have."},
                     c.request);
  }
  const auto body = read_body(with.batch, c.request);
  if (!body) {
    co_return refuse(body.error(), c.request);
  }
  operation_counts wanted{};
  for (const batch_operation& o : body->operations) {
    const rules_of_operation& needs = rules_of(o.kind);
    if (const auto allowed = gate::need(c.by, needs.scope); !allowed) {
      co_return refuse(allowed.error(), c.request);
    }
    ++wanted.at(static_cast<std::size_t>(needs.counts_as));
  }
  if (const auto allowed = with.gate.enter(c.by, c.request, wanted, body->user); !allowed) {
    co_return refuse(allowed.error(), c.request);
  }
  std::vector<domain::command> commands;
  commands.reserve(body->operations.size());
  for (std::size_t i = 0; i < body->operations.size(); ++i) {
    const batch_operation& o = body->operations[i];
    std::optional<domain::transaction> purchase;
    if (o.kind == operation_kind::refund) {
      auto found = co_await with.history.find(body->user, o.purchase, c.request.deadline);
      if (!found) {
        co_return refuse(no_such_purchase(i, found.error()), c.request);
      }
      purchase = *std::move(found);
      error odd = check_refund(*purchase, o.quantity.has_value(), flags_of(o));
      if (!odd.fields.empty()) {
        for (field_error& each : odd.fields) {
          each.pointer.replace(0, 1, fmt::format("#/operations/{}", i));
        }
        co_return refuse(odd, c.request);
      }
    }
    commands.push_back(to_command(o, body->user, c, purchase ? &*purchase : nullptr));
  }
  const std::vector<domain::verdict> verdicts =
      co_await with.wallet.run(std::move(commands), body->atomic, c.request.deadline);
  if (const error* why = whole_refusal(verdicts)) {
    co_return refuse(*why, c.request);
  }
  co_return http::response{200, http::json_type, render_batch(*body, verdicts, c)};
}

}  // namespace coffer::api
