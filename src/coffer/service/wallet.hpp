// Changes of a user's wallet and possessions: each becomes one command on the one write path.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "coffer/base/metrics.hpp"
#include "coffer/ledger/ledger.hpp"
#include "coffer/service/sold_out_memory.hpp"

namespace coffer::service {

/// Who sends a request, and how it wants to be recognised: by its own id and, if it brought one, by its idempotency
/// key.
struct request_identity {
  std::string request_id;
  std::string idempotency_key;  ///< empty: none
  domain::fingerprint print{};
  domain::actor by;
};

/// What an operator gives as the reason of a grant or refund.
struct operator_note {
  operator_note(std::string why, bool to_players) : text{std::move(why)}, is_public{to_players} {}
  std::string text;
  bool is_public;  ///< players see it
};

/// What is asked of a refund.
struct refund_wish {
  refund_wish(std::int64_t units, bool forced, bool as_much_as_is_there)
      : quantity{units}, force{forced}, up_to{as_much_as_is_there} {}
  std::int64_t quantity;  ///< of a purchase, 0: all that is possible
  bool force;             ///< of a purchase: also for what is used up
  bool up_to;             ///< of a deposit: as much as is there
};

/// Deposits, purchases, uses, grants and refunds. Every call ends with a verdict shortly after `until` at the latest: a
/// journal row (new or replayed), a refusal without one, or unavailable, overloaded, outcome_unknown.
class wallet {
 public:
  wallet(ledger::ledger& l, sold_out_memory& sold_out) : ledger_{l}, sold_out_{sold_out} {}

  net::task<domain::verdict> deposit(user_id user, domain::credits amount, request_identity who, net::deadline until) {
    domain::command c = make(domain::transaction_kind::deposit, user, std::move(who));
    c.amount = amount;
    return ledger_.submit(std::move(c), until);
  }

  /// Without a key, a product that is known to be sold out is refused at once: nobody can ask for that answer again,
  /// so it needs no journal row.
  net::task<domain::verdict> purchase(user_id user, product_id product, std::int64_t quantity,
                                      std::optional<domain::credits> expected_price, request_identity who,
                                      net::deadline until) {
    if (who.idempotency_key.empty() && sold_out_.contains(product, sold_out_memory::clock::now())) {
      answered_sold_out_.add();
      co_return std::unexpected(domain::sold_out(quantity, 0));
    }
    const std::uint64_t seen = sold_out_.changes();
    domain::command c = make(domain::transaction_kind::purchase, user, std::move(who));
    c.product = product;
    c.quantity = quantity;
    c.expected_price = expected_price;
    domain::verdict decided = co_await ledger_.submit(std::move(c), until);
    if (decided && !decided->replayed && decided->row.reason == errc::sold_out && decided->row.detail_1 == 0) {
      sold_out_.remember(product, seen, sold_out_memory::clock::now());
    }
    co_return decided;
  }

  net::task<domain::verdict> use(user_id user, product_id product, std::int64_t quantity, request_identity who,
                                 net::deadline until) {
    domain::command c = make(domain::transaction_kind::use, user, std::move(who));
    c.product = product;
    c.quantity = quantity;
    return ledger_.submit(std::move(c), until);
  }

  /// Gives credits, or takes them when `amount` is negative.
  net::task<domain::verdict> grant_credits(user_id user, domain::credits amount, operator_note note,
                                           request_identity who, net::deadline until) {
    domain::command c = make(domain::transaction_kind::grant, user, std::move(who));
    c.amount = amount;
    c.note = std::move(note.text);
    c.note_public = note.is_public;
    return ledger_.submit(std::move(c), until);
  }

  /// Gives units of a product, or takes them when `quantity` is negative.
  net::task<domain::verdict> grant_items(user_id user, product_id product, std::int64_t quantity, operator_note note,
                                         request_identity who, net::deadline until) {
    domain::command c = make(domain::transaction_kind::grant, user, std::move(who));
    c.product = product;
    c.quantity = quantity;
    c.note = std::move(note.text);
    c.note_public = note.is_public;
    return ledger_.submit(std::move(c), until);
  }

  /// Takes units of a purchase back and gives back what was paid for them, or takes a deposit back. `row` is the one
  /// that is refunded, as the journal has it; rows of other kinds are refused.
  net::task<domain::verdict> refund(domain::transaction row, refund_wish what, operator_note note, request_identity who,
                                    net::deadline until) {
    domain::command c = make(domain::transaction_kind::refund, row.user, std::move(who));
    c.product = row.product;
    c.purchase = domain::to_refund(row);
    c.quantity = what.quantity;
    c.force = what.force;
    c.up_to = what.up_to;
    c.note = std::move(note.text);
    c.note_public = note.is_public;
    domain::verdict decided = co_await ledger_.submit(std::move(c), until);
    if (decided && row.product) {
      sold_out_.forget(*row.product);  // a piece may be for sale again
    }
    co_return decided;
  }

  /// Several changes of one user, decided in this order; with `atomic` all of them happen or none. Gives a verdict for
  /// each.
  net::task<std::vector<domain::verdict>> run(std::vector<domain::command> commands, bool atomic, net::deadline until) {
    std::vector<product_id> refunded;
    for (const domain::command& c : commands) {
      if (c.kind == domain::transaction_kind::refund && c.product) {
        refunded.push_back(*c.product);
      }
    }
    std::vector<domain::verdict> decided = co_await ledger_.submit_all(std::move(commands), atomic, until);
    for (const product_id product : refunded) {
      sold_out_.forget(product);
    }
    co_return decided;
  }

 private:
  static domain::command make(domain::transaction_kind kind, user_id user, request_identity who) {
    domain::command c;
    c.kind = kind;
    c.user = user;
    c.request_id = std::move(who.request_id);
    c.idempotency_key = std::move(who.idempotency_key);
    c.print = who.print;
    c.by = who.by;
    return c;
  }

  ledger::ledger& ledger_;
  sold_out_memory& sold_out_;
  metrics::counter answered_sold_out_ = metrics::make_counter(
      "coffer_sold_out_answers_total", "Purchases of sold-out products refused without asking the database");
};

}  // namespace coffer::service
