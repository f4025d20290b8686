// Many callers who want the same thing at the same moment share one load. Knows not what is loaded.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "coffer/cache/wait_error.hpp"
#include "coffer/net/wait_queue.hpp"

namespace coffer::cache {

/// Runs at most one load per key at a time; who comes while it runs gets its outcome. For things that cannot have
/// changed for a caller in the meantime: single_flight is for those that can. One thread; values are copied.
template <typename Key, typename Value, typename Hash = std::hash<Key>>
class shared_load {
 public:
  using loader = std::function<net::task<Value>()>;

  /// At most `max_waiting` callers wait for one load.
  explicit shared_load(std::size_t max_waiting) : max_waiting_{max_waiting} {}
  ~shared_load() {
    for (const auto& [key, running] : running_) {
      running->waiting.close();
    }
  }
  shared_load(const shared_load&) = delete;
  shared_load& operator=(const shared_load&) = delete;

  /// The outcome of the load that runs, or of `load`: its value or its exception. Throws wait_error when `until` passes
  /// while waiting for another caller's or too many wait; the load itself must keep a deadline of its own. `load` must
  /// not be a coroutine with captures.
  net::task<Value> run(Key key, net::deadline until, loader load) {
    if (const auto found = running_.find(key); found != running_.end()) {
      const std::shared_ptr<round> theirs = found->second;
      co_return co_await join(theirs, until);
    }
    const net::executor home = co_await asio::this_coro::executor;
    const auto mine = std::make_shared<round>(home, max_waiting_);
    running_.emplace(key, mine);
    try {
      mine->value.emplace(co_await load());
    } catch (...) {
      mine->failure = std::current_exception();
    }
    running_.erase(key);
    mine->waiting.close();
    co_return outcome_of(*mine);
  }

  /// Whether a load of this runs.
  [[nodiscard]] bool loads(const Key& key) const { return running_.contains(key); }

 private:
  struct round {
    round(const net::executor& ex, std::size_t max_waiting) : waiting{ex, max_waiting} {}
    net::wait_queue waiting;  ///< closed when the load has ended
    std::optional<Value> value;
    std::exception_ptr failure;
  };

  static net::task<Value> join(std::shared_ptr<round> theirs, net::deadline until) {
    const net::wait_result how = co_await theirs->waiting.wait(until);
    if (how == net::wait_result::full) {
      throw wait_error{"too many callers wait for another's load"};
    }
    if (how == net::wait_result::timed_out) {
      throw wait_error{"the deadline passed while another caller's load was awaited"};
    }
    co_return outcome_of(*theirs);
  }

  static Value outcome_of(const round& ended) {
    if (ended.failure) {
      std::rethrow_exception(ended.failure);
    }
    return *ended.value;
  }

  std::size_t max_waiting_;
  std::unordered_map<Key, std::shared_ptr<round>, Hash> running_;
};

}  // namespace coffer::cache
