// What encloses the statements of a write outside the lanes.
#pragma once

#include "coffer/pg/connection.hpp"

namespace coffer::store {

/// A transaction of its own, or a savepoint when the session is in a transaction already, which goes on after a
/// refusal.
class write_frame {
 public:
  explicit write_frame(const pg::connection& db) : inner_{db.state() == pg::transaction_state::in_transaction} {}

  [[nodiscard]] const pg::statement& begin() const { return inner_ ? set_savepoint : begin_transaction; }
  [[nodiscard]] const pg::statement& end() const { return inner_ ? release_savepoint : commit_transaction; }

  /// After a statement was refused: what the write did is undone, if the session can still be used.
  net::task<> undo(pg::connection& db, net::deadline until) const {
    if (db.state() == pg::transaction_state::idle) {
      co_return;
    }
    co_await db.execute(inner_ ? "rollback to savepoint coffer_write" : "rollback", until);
  }

 private:
  static constexpr pg::statement begin_transaction{"write_begin", "begin"};
  static constexpr pg::statement commit_transaction{"write_commit", "commit"};
  static constexpr pg::statement set_savepoint{"write_savepoint", "savepoint coffer_write"};
  static constexpr pg::statement release_savepoint{"write_release", "release savepoint coffer_write"};

  bool inner_;
};

}  // namespace coffer::store
