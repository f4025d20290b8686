// Failed attempts of this process at its database. Each is a line at level debug where it failed; here they are
// counted, so that whoever watches the database can tell of all of them in one line.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

#include "coffer/pg/error.hpp"

namespace coffer::pg {

/// Counts attempts that failed because of the server or the way to it. Thread-safe.
class failed_attempts {
 public:
  /// What was counted since it was last asked.
  struct counted {
    std::uint64_t attempts = 0;
    std::string last;  ///< what the last one said, for logs
  };

  /// That of the process.
  static failed_attempts& get() {
    static failed_attempts all;
    return all;
  }

  /// Counts `e`, unless the server refused a statement for what it says, or this process the attempt for its own
  /// limits.
  void note(const error& e) {
    if (e.refused() || e.kind() == failure::exhausted || e.kind() == failure::closed) {
      return;
    }
    const std::scoped_lock lock{mutex_};
    ++counted_.attempts;
    counted_.last = e.what();
  }

  /// What was counted since the last call.
  counted take() {
    const std::scoped_lock lock{mutex_};
    counted taken = std::move(counted_);
    counted_ = counted{};
    return taken;
  }

 private:
  std::mutex mutex_;
  counted counted_;
};

}  // namespace coffer::pg
