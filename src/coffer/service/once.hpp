// Writes outside the lanes that a client may repeat under an idempotency key.
#pragma once

#include <functional>
#include <optional>
#include <utility>

#include "coffer/base/error.hpp"
#include "coffer/service/database.hpp"
#include "coffer/store/request_keys_store.hpp"

namespace coffer::service {

/// A key, and how what became of the write is answered. A refusal that the function gives nullopt for was not decided:
/// it is not recorded, and the key stays free.
template <typename T>
struct keyed {
  store::request_key key;
  std::function<std::optional<store::recorded_answer>(const result<T>&)> answer;
};

/// What became of a write, or the answer that it was given before.
template <typename T>
struct written {
  result<T> outcome = std::unexpected(error{errc::internal});  ///< unless there is a record
  std::optional<store::recorded_answer> record;
  bool replayed = false;  ///< the record is of an earlier request

  /// Whether this request changed something.
  [[nodiscard]] bool applied() const { return record ? !replayed && record->status < 300 : outcome.has_value(); }
};

namespace detail {

/// One transaction: claims the key, writes, records the answer. `work` writes inside a savepoint.
template <typename T, typename Work>
net::task<written<T>> claim_and_write(pg::connection& db, keyed<T> under, net::deadline until, Work work) {
  std::optional<pg::error> failure;
  written<T> done;
  try {
    store::request_key wanted = under.key;
    std::optional<store::request_claim> claim = co_await store::claim_key(db, std::move(wanted), until);
    if (!claim || claim->reused) {
      done.outcome = std::unexpected(error{claim ? errc::idempotency_key_reused : errc::unavailable});
      co_await db.execute("rollback", until);
      co_return done;
    }
    if (!claim->taken) {
      co_await store::end_replay(db, until);
      done.replayed = !claim->own;
      done.record = std::move(claim->answer);
      co_return done;
    }
    done.outcome = co_await work(db);
    std::optional<store::recorded_answer> answer = under.answer(done.outcome);
    if (!answer) {
      co_await db.execute("rollback", until);
      co_return done;
    }
    store::request_key held = under.key;
    store::recorded_answer given = *std::move(answer);
    co_await store::end_write(db, std::move(held), std::move(given), until);
    co_return done;
  } catch (const pg::error& e) {
    failure.emplace(e);
  }
  if (failure->connection_usable() && db.state() != pg::transaction_state::idle) {
    co_await db.execute("rollback", until);
  }
  throw *failure;
}

}  // namespace detail

/// Runs `work(connection)`, which gives a task of result<T>. Under a key it happens once: a repetition gets the answer
/// of the first time, a twin waits for the first, another request under the key is refused (idempotency_key_reused).
/// A commit whose answer is lost is looked up by claiming the key once more: the old transaction is over then. What
/// cannot be looked up is thrown as what it was, with its delivery unknown.
template <typename T, typename Work>
net::task<written<T>> write_once(pg::pool& db, std::optional<keyed<T>> under, net::deadline until, Work work) {
  if (!under) {
    written<T> done;
    done.outcome = co_await with_connection(db, until, false, work);
    co_return done;
  }
  const auto attempt = [&under, &work, until](pg::connection& c) {
    return detail::claim_and_write<T>(c, *under, until, work);
  };
  std::optional<pg::error> lost;
  for (;;) {
    std::optional<pg::error> failure;
    try {
      co_return co_await with_connection(db, until, false, attempt);
    } catch (const pg::error& e) {
      failure.emplace(e);
    }
    if (lost) {
      throw *lost;
    }
    if (failure->delivered() != pg::delivery::unknown) {
      throw *failure;
    }
    lost = std::move(failure);
  }
}

}  // namespace coffer::service
