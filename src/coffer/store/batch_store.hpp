// The SQL of the write path: load what a batch needs under its users' locks, then write what was decided. Knows no
// rule. Lock order, everywhere: users by id, then stocks by product, then sales counters by product.
#pragma once

#include <set>
#include <span>
#include <vector>

#include "coffer/domain/batch_state.hpp"
#include "coffer/pg/options.hpp"
#include "coffer/pg/pipeline.hpp"
#include "coffer/pg/rows.hpp"

namespace coffer::store {

using command_list = std::span<const domain::command* const>;

/// Settings for the sessions that run batches. Every statement here finds its rows by key, whatever the arrays hold:
/// one plan for ever, by the indexes even while a table is new and small. Planning anew for each batch of few users,
/// as the server would choose, costs as much as executing it (docs/adr/0010).
void add_batch_settings(pg::options& session);

/// Opens a transaction, locks the commands' users in id order and reads, each in a statement of its own so that it
/// sees what was committed while the lock was waited for: holdings, refunds, keyed journal rows, product terms. The
/// stocks of those of its products that are in `limited` are locked after the users and before the terms are read.
pg::pipeline load_batch(command_list commands, const std::set<product_id>& limited);

/// The index in load_batch()'s pipeline of the statement that locks the users.
inline constexpr std::size_t lock_users_index = 1;

/// The state that load_batch() of the same arguments found.
domain::batch_state read_batch(command_list commands, const std::set<product_id>& limited,
                               const std::vector<pg::rows>& results);

/// Writes wallets, holdings, stocks, refunds, journal rows and sales counters, then commits; without new rows it only
/// commits, and waits for nothing but synchronous standbys. `lane_key` places the counters. The last result's command
/// tag tells whether the commit happened: COMMIT, or ROLLBACK for a failed transaction.
pg::pipeline apply_batch(const domain::batch_state& state, const domain::batch_effects& effects, std::int16_t lane_key);

/// Opens a transaction, locks `users` (waiting for any earlier transaction that holds them), and reads the journal
/// row at (user, at): the answer to "did that commit happen?". Results: BEGIN, lock, row.
pg::pipeline find_committed(std::span<const std::int64_t> users, user_id user, version at);

/// Locks `users` in id order, waiting a tenth of a second for each at most, and lets them go.
pg::pipeline try_users(std::span<const std::int64_t> users);

/// Locks those of `users` that nobody holds, and lets them go: nothing is waited for.
pg::pipeline probe_users(std::span<const std::int64_t> users);

/// The ids of the users that probe_users() found in the hands of somebody else, sorted.
std::vector<std::int64_t> read_held_users(const std::vector<pg::rows>& results);

}  // namespace coffer::store
