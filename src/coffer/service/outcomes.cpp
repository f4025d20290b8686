#include "coffer/service/outcomes.hpp"

namespace coffer::service {

net::task<result<domain::transaction>> outcomes::find(user_id user, bool by_player, std::string key,
                                                      net::deadline until) {
  const domain::key_place place{.user = user, .by_player = by_player, .key = key};
  // First the lane, then the journal: what leaves the lane in between has been committed and is seen.
  const ledger::key_state known = co_await ledger_.state_of(place);
  if (known == ledger::key_state::in_progress) {
    co_return std::unexpected(error{errc::idempotency_in_progress});
  }
  const bool in_doubt = known == ledger::key_state::in_doubt;
  const auto work = [place, until, in_doubt](pg::connection& db) {
    return in_doubt ? store::settle_outcome(db, place, until) : store::find_outcome(db, place, until);
  };
  co_return co_await with_connection(db_, until, true, work);
}

}  // namespace coffer::service
