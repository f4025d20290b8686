// The front of the write path: finds the lane of a command's user and brings the answer back, across threads.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "coffer/ledger/lane.hpp"
#include "coffer/ledger/lane_of.hpp"

namespace coffer::ledger {

/// All lanes of the process. Shared by all threads; constant after start.
class ledger {
 public:
  /// A lane with the executor of the thread that owns it and that thread's number.
  struct owned_lane {
    net::executor executor;
    std::size_t thread;
    std::unique_ptr<lane> writer;
  };

  /// Logical lanes are spread over `lanes` (1..32) in contiguous ranges.
  explicit ledger(std::vector<owned_lane> lanes);

  /// Hands `c` to its user's lane and waits for what became of it. Ends at the latest shortly after `until`; is not
  /// cancellable, because a command that was handed over may be applied.
  net::task<domain::verdict> submit(domain::command c, net::deadline until);

  /// As submit() for commands of one user, which are decided in this order; with `atomic` all of them happen or none.
  /// Gives a verdict for each.
  net::task<std::vector<domain::verdict>> submit_all(std::vector<domain::command> commands, bool atomic,
                                                     net::deadline until);

  /// What this process knows of the key of this place, whose text must outlive the task.
  net::task<key_state> state_of(domain::key_place place) const;

  /// The lane that writes `user`.
  const owned_lane& lane_for(user_id user) const;

  std::vector<owned_lane>& lanes() { return lanes_; }

  /// The index, of `lanes` in all, of the lane that a logical lane belongs to.
  static std::size_t lane_index(std::size_t logical_lane, std::size_t lanes) {
    return logical_lane * lanes / logical_lanes;
  }

 private:
  std::vector<owned_lane> lanes_;
};

}  // namespace coffer::ledger
