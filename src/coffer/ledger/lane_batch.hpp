// One transaction of a lane and what is known about it. For the lane's own sources.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "coffer/domain/batch_state.hpp"
#include "coffer/ledger/lane.hpp"
#include "coffer/pg/error.hpp"
#include "coffer/pg/rows.hpp"

namespace coffer::ledger {

/// The journal row whose presence proves that a batch was committed.
struct proof {
  user_id user;
  version at;
  std::string request_id;
  timestamp created_at;
};

/// Throws unless `ended`, what COMMIT gave, says that it was one: a failed transaction answers it with success and the
/// tag ROLLBACK.
inline void demand_commit(const pg::rows& ended) {
  if (ended.command_tag() == "COMMIT") {
    return;
  }
  pg::error::details d;
  d.state = pg::sqlstate::in_failed_transaction;
  d.delivered = pg::delivery::answered;
  d.connection_usable = true;
  throw pg::error{pg::failure::statement, "COMMIT rolled the transaction back", std::move(d)};
}

/// The commands of one transaction and what is known about it.
struct lane::batch {
  using clock = std::chrono::steady_clock;

  std::vector<pending*> commands;
  domain::batch_state state;
  domain::batch_effects effects;
  int attempts = 0;
  clock::time_point attempted;      ///< when the last attempt began
  bool committing = false;          ///< the statements that end in COMMIT were handed to the connection
  std::size_t commit_index = 0;     ///< of COMMIT among them
  std::optional<proof> unresolved;  ///< the connection was lost around a commit: look for this row first
  clock::time_point started = clock::now();

  std::vector<const domain::command*> list() const {
    std::vector<const domain::command*> out;
    out.reserve(commands.size());
    for (const pending* p : commands) {
      out.push_back(&p->command);
    }
    return out;
  }

  net::deadline latest_deadline() const {
    net::deadline latest{};
    for (const pending* p : commands) {
      latest = std::max(latest, p->deadline);
    }
    return latest;
  }

  /// The commands' users, each once, in order.
  std::vector<std::int64_t> users() const {
    std::vector<std::int64_t> ids;
    ids.reserve(commands.size());
    for (const pending* p : commands) {
      ids.push_back(p->command.user.value);
    }
    std::ranges::sort(ids);
    ids.erase(std::ranges::unique(ids).begin(), ids.end());
    return ids;
  }

  /// A row that is in the journal when the batch was committed: a new one, or else one that is replayed. Null when no
  /// answer of the batch tells of a row.
  const domain::transaction* witness() const {
    if (!effects.new_rows.empty()) {
      return &effects.verdicts[effects.new_rows.front()]->row;
    }
    const auto told = std::ranges::find_if(effects.verdicts, [](const domain::verdict& v) { return v.has_value(); });
    return told == effects.verdicts.end() ? nullptr : &(*told)->row;
  }
};

}  // namespace coffer::ledger
