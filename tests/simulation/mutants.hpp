// Bugs made on purpose, between the lanes and the model: the simulation must find each of them.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace coffer::simulation {

/// A deliberate bug; what each is, is said below.
enum class mutant : std::uint8_t {
  none,
  users_not_locked,
  users_locked_in_any_order,
  reads_before_locks,
  time_before_locks,
  stocks_not_locked,
  begin_left_out,
  keys_not_looked_up,
  refunds_not_looked_up,
  holdings_only_updated,
  version_kept,
  journal_left_out,
  rollback_taken_for_commit,
  answered_before_commit,
  run_again_blindly,
  settled_without_lock,
  commit_never_found,
  look_up_not_committed,
  replays_not_committed,
  rollback_forgotten,
  events_left_out,
  events_in_any_order,
};

/// Units that a check of the model's own refuses: a command that the database does not take, whatever the lane thinks.
inline constexpr std::int64_t poisoned_quantity = 777;

/// A mutant as it is spelled and explained.
struct mutant_description {
  mutant which;
  std::string_view name;
  std::string_view what;
};

inline constexpr std::array mutants = {
    mutant_description{mutant::users_not_locked, "users_not_locked", "users are read, not locked"},
    mutant_description{mutant::users_locked_in_any_order, "users_locked_in_any_order",
                       "one process locks its users from the last to the first"},
    mutant_description{mutant::reads_before_locks, "reads_before_locks", "a load reads before it has its locks"},
    mutant_description{mutant::time_before_locks, "time_before_locks", "the clock is read before the locks are there"},
    mutant_description{mutant::stocks_not_locked, "stocks_not_locked", "stocks are read, not locked"},
    mutant_description{mutant::begin_left_out, "begin_left_out", "each round trip is a transaction of its own"},
    mutant_description{mutant::keys_not_looked_up, "keys_not_looked_up", "no key is ever found in the journal"},
    mutant_description{mutant::refunds_not_looked_up, "refunds_not_looked_up",
                       "what is refunded is taken for there, though a failover has lost it"},
    mutant_description{mutant::holdings_only_updated, "holdings_only_updated", "a new line of an inventory is updated"},
    mutant_description{mutant::version_kept, "version_kept", "a wallet is written without its new version"},
    mutant_description{mutant::journal_left_out, "journal_left_out", "the journal is not written"},
    mutant_description{mutant::rollback_taken_for_commit, "rollback_taken_for_commit",
                       "COMMIT is taken for done whatever its tag says"},
    mutant_description{mutant::answered_before_commit, "answered_before_commit",
                       "callers are answered when COMMIT has been sent"},
    mutant_description{mutant::run_again_blindly, "run_again_blindly", "a commit without an answer is taken for none"},
    mutant_description{mutant::settled_without_lock, "settled_without_lock",
                       "a lost commit is looked for without waiting for its transaction"},
    mutant_description{mutant::commit_never_found, "commit_never_found", "a lost commit is never found"},
    mutant_description{mutant::look_up_not_committed, "look_up_not_committed",
                       "a commit that was found does not wait for the standby"},
    mutant_description{mutant::replays_not_committed, "replays_not_committed",
                       "what is replayed does not wait for the standby"},
    mutant_description{mutant::rollback_forgotten, "rollback_forgotten", "a failed transaction is left open"},
    mutant_description{mutant::events_left_out, "events_left_out", "the event log is not written"},
    mutant_description{mutant::events_in_any_order, "events_in_any_order",
                       "the event log does not say what in another stream comes first"},
};

}  // namespace coffer::simulation
