// Many callers who want the same thing share one load. Knows not what is loaded.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "coffer/cache/wait_error.hpp"
#include "coffer/net/task.hpp"

namespace coffer::cache {

/// Which load a caller may share that comes while one runs.
enum class joins : std::uint8_t {
  running,  ///< the one that runs: for things that cannot have changed for the caller since it began
  next,     ///< one that begins after the call, because the running one may have looked before something happened that
            ///< the caller knows of: those who come form the next round, of which one loads, afterwards, for all
};

/// Runs at most one load per key at a time: a crowd of any size costs one load, or two with joins::next. One thread;
/// values are copied.
template <typename Key, typename Value, typename Hash = std::hash<Key>>
class single_flight {
 public:
  using loader = std::function<net::task<Value>()>;

  /// Of at most `max_keys` keys at once loads are shared; for others each caller loads by itself. At most
  /// `max_waiting` callers wait at once, over all keys.
  single_flight(joins how, std::size_t max_keys, std::size_t max_waiting)
      : state_{std::make_shared<state>(how, max_keys, max_waiting)} {}

  /// The outcome of a load, its own or one that it may share: the value or the exception. Throws wait_error when
  /// `until` passes while waiting for others or too many wait; the load itself must keep a deadline of its own. `load`
  /// must not be a coroutine with captures.
  net::task<Value> run(Key key, net::deadline until, loader load) {
    const std::shared_ptr<state> s = state_;
    const auto busy = s->busy.find(key);
    if (busy == s->busy.end()) {
      if (s->busy.size() >= s->max_keys) {
        co_return co_await load();
      }
      const std::shared_ptr<round> mine = s->how == joins::running ? std::make_shared<round>() : nullptr;
      s->busy.emplace(key, mine);
      co_return co_await lead(s, std::move(key), mine, std::move(load));
    }
    if (!busy->second) {
      busy->second = std::make_shared<round>();
    }
    const std::shared_ptr<round> mine = busy->second;
    const net::executor home = co_await asio::this_coro::executor;
    const membership_scope self{*s, *mine, home, until};
    co_await self.membership->timer.async_wait(net::as_tuple);
    if (self.membership->leads) {
      co_return co_await lead(s, std::move(key), mine, std::move(load));
    }
    if (!mine->finished) {
      throw wait_error{"the deadline passed while another caller's load was awaited"};
    }
    if (mine->failure) {
      std::rethrow_exception(mine->failure);
    }
    co_return *mine->value;
  }

  /// Whether a load of this is under way that is shared.
  [[nodiscard]] bool loads(const Key& key) const { return state_->busy.contains(key); }
  /// Keys with a load under way.
  [[nodiscard]] std::size_t size() const noexcept { return state_->busy.size(); }
  /// Callers who wait for others.
  [[nodiscard]] std::size_t waiting() const noexcept { return state_->waiting; }

 private:
  struct member {
    member(const net::executor& ex, net::deadline when) : timer{ex, when}, until{when} {}
    net::steady_timer timer;
    net::deadline until;
    bool leads = false;
  };

  /// Those who share a load.
  struct round {
    std::vector<member*> members;
    std::optional<Value> value;
    std::exception_ptr failure;
    bool finished = false;
  };

  /// Shared with the coroutines that load and wait, which may outlive the object.
  struct state {
    state(joins j, std::size_t keys, std::size_t waiters) : how{j}, max_keys{keys}, max_waiting{waiters} {}
    joins how;
    std::size_t max_keys;
    std::size_t max_waiting;
    std::size_t waiting = 0;
    /// Keys with a load under way, and the round that who comes now joins: the running one, or the next one, which is
    /// null until somebody waits.
    std::unordered_map<Key, std::shared_ptr<round>, Hash> busy;
  };

  /// Membership of a round for as long as the coroutine waits. Both outlive it.
  struct membership_scope {
    membership_scope(state& s, round& r, const net::executor& ex, net::deadline until) : in{s}, of{r} {
      if (s.waiting >= s.max_waiting) {
        throw wait_error{"too many callers wait for another's load"};
      }
      membership = std::make_unique<member>(ex, until);
      of.members.push_back(membership.get());
      ++in.waiting;
    }
    ~membership_scope() {
      std::erase(of.members, membership.get());
      --in.waiting;
    }
    membership_scope(const membership_scope&) = delete;
    membership_scope& operator=(const membership_scope&) = delete;

    state& in;
    round& of;
    std::unique_ptr<member> membership;
  };

  static net::task<Value> lead(std::shared_ptr<state> s, Key key, std::shared_ptr<round> mine, loader load) {
    std::optional<Value> value;
    std::exception_ptr failure;
    try {
      value.emplace(co_await load());
    } catch (...) {
      failure = std::current_exception();
    }
    if (mine) {
      mine->value = value;
      mine->failure = failure;
      mine->finished = true;
      for (member* m : mine->members) {
        m->timer.cancel();
      }
    }
    start_next(*s, key);
    if (failure) {
      std::rethrow_exception(failure);
    }
    co_return std::move(*value);
  }

  /// Lets the member with the most time left load for the round that waits, if any.
  static void start_next(state& s, const Key& key) {
    const auto busy = s.busy.find(key);
    const std::shared_ptr<round> next = std::exchange(busy->second, nullptr);
    if (!next || next->finished || next->members.empty()) {
      s.busy.erase(busy);
      return;
    }
    const auto chosen = std::max_element(next->members.begin(), next->members.end(),
                                         [](const member* a, const member* b) { return a->until < b->until; });
    (*chosen)->leads = true;
    (*chosen)->timer.cancel();
  }

  std::shared_ptr<state> state_;
};

}  // namespace coffer::cache
