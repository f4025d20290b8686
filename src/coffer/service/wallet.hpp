// Changes of a user's wallet and possessions: each becomes one command on the one write path.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "coffer/ledger/ledger.hpp"

namespace coffer::service {

/// How a request wants to be recognised: by its own id and, if it brought one, by its idempotency key.
struct request_identity {
  std::string request_id;
  std::string idempotency_key;  ///< empty: none
  domain::fingerprint print{};
};

/// Deposits, purchases and uses. Every call ends with a verdict shortly after `until` at the latest: a journal row
/// (new or replayed), a refusal without one, or unavailable, overloaded, outcome_unknown.
class wallet {
 public:
  explicit wallet(ledger::ledger& l) : ledger_{l} {}

  net::task<domain::verdict> deposit(user_id user, domain::credits amount, request_identity who, net::deadline until) {
    domain::command c = make(domain::transaction_kind::deposit, user, std::move(who));
    c.amount = amount;
    return ledger_.submit(std::move(c), until);
  }

  net::task<domain::verdict> purchase(user_id user, product_id product, std::int64_t quantity,
                                      std::optional<domain::credits> expected_price, request_identity who,
                                      net::deadline until) {
    domain::command c = make(domain::transaction_kind::purchase, user, std::move(who));
    c.product = product;
    c.quantity = quantity;
    c.expected_price = expected_price;
    return ledger_.submit(std::move(c), until);
  }

  net::task<domain::verdict> use(user_id user, product_id product, std::int64_t quantity, request_identity who,
                                 net::deadline until) {
    domain::command c = make(domain::transaction_kind::use, user, std::move(who));
    c.product = product;
    c.quantity = quantity;
    return ledger_.submit(std::move(c), until);
  }

  /// Several changes of one user, decided in this order; with `atomic` all of them happen or none. Gives a verdict for
  /// each.
  net::task<std::vector<domain::verdict>> run(std::vector<domain::command> commands, bool atomic, net::deadline until) {
    return ledger_.submit_all(std::move(commands), atomic, until);
  }

 private:
  static domain::command make(domain::transaction_kind kind, user_id user, request_identity who) {
    domain::command c;
    c.kind = kind;
    c.user = user;
    c.request_id = std::move(who.request_id);
    c.idempotency_key = std::move(who.idempotency_key);
    c.print = who.print;
    return c;
  }

  ledger::ledger& ledger_;
};

}  // namespace coffer::service
