// What became of a request whose answer was lost.
#pragma once

#include <string>

#include "coffer/ledger/ledger.hpp"
#include "coffer/service/database.hpp"
#include "coffer/store/journal_store.hpp"

namespace coffer::service {

/// One instance per thread. Throws pg::error for infrastructure failures.
class outcomes {
 public:
  outcomes(const ledger::ledger& l, pg::pool& db) : ledger_{l}, db_{db} {}

  /// The journal row that holds `key`, of those that players sent or of those that servers did. Refusals:
  /// idempotency_in_progress while a command with the key is queued or in flight in this process, or was answered
  /// outcome_unknown and may yet be committed; user_not_found, transaction_not_found. A request that has not reached
  /// its lane yet, or runs in another process, may still come after transaction_not_found: sending it again with its
  /// key settles that.
  net::task<result<domain::transaction>> find(user_id user, bool by_player, std::string key, net::deadline until);

 private:
  const ledger::ledger& ledger_;
  pg::pool& db_;
};

inline net::task<result<domain::transaction>> outcomes::find(user_id user, bool by_player, std::string key,
                                                             net::deadline until) {
  const domain::key_place place{.user = user, .by_player = by_player, .key = key};
  // First the lane, then the journal: what leaves the lane in between has been committed and is seen.
  const ledger::key_state known = co_await ledger_.state_of(place);
  if (known == ledger::key_state::in_progress) {
    co_return std::unexpected(error{errc::idempotency_in_progress});
  }
  const bool unresolved = known == ledger::key_state::unresolved;
  const auto work = [place, until, unresolved](pg::connection& db) {
    return unresolved ? store::settle_outcome(db, place, until) : store::find_outcome(db, place, until);
  };
  co_return co_await with_connection(db_, until, true, work);
}

}  // namespace coffer::service
