// Inventories ready to be sent, kept in Redis. Knows users and versions, not what an inventory looks like. One
// instance per thread, for the users whose lanes that thread owns.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "coffer/base/assert.hpp"
#include "coffer/base/error.hpp"
#include "coffer/base/ids.hpp"
#include "coffer/base/log.hpp"
#include "coffer/cache/bypass_set.hpp"
#include "coffer/cache/cache_metrics.hpp"
#include "coffer/cache/doubtful_versions.hpp"
#include "coffer/cache/entry.hpp"
#include "coffer/cache/nonce.hpp"
#include "coffer/cache/scripts.hpp"
#include "coffer/cache/single_flight.hpp"
#include "coffer/net/task.hpp"
#include "coffer/net/watchdog.hpp"
#include "coffer/redis/client.hpp"

namespace coffer::cache {

/// An inventory as one read of the database saw it.
struct inventory_snapshot {
  inventory_snapshot() = default;
  inventory_snapshot(version v, std::string bytes) : at{v}, json{std::move(bytes)} {}

  version at;
  std::string json;
};

/// Where an answer came from.
enum class source : std::uint8_t {
  hit,     ///< the cache
  miss,    ///< the database
  bypass,  ///< the database, because the cache may hold something older
};

/// A snapshot and its source.
struct inventory_read {
  inventory_read() = default;
  inventory_read(inventory_snapshot s, source where) : snapshot{std::move(s)}, from{where} {}

  inventory_snapshot snapshot;
  source from = source::miss;
};

/// A user and a version of theirs.
using user_version = std::pair<user_id, version>;

struct inventory_cache_options {
  inventory_cache_options() = default;
  explicit inventory_cache_options(std::string key_prefix) : prefix{std::move(key_prefix)} {}

  std::string prefix = "coffer:";      ///< of every key
  std::chrono::seconds ttl{300};       ///< of a value
  std::chrono::seconds lease_ttl{10};  ///< longer than any load may take
  std::size_t max_bypassed = 65536;    ///< users remembered after lost invalidations; beyond: nobody is served
  std::size_t max_doubts = 65536;      ///< users of commits in doubt; beyond: nobody is served for a TTL
  std::chrono::seconds doubt{3600};    ///< the longest that a doubt is remembered when nothing ends it
  std::size_t max_loading = 4096;      ///< users loaded at once whose readers are merged; beyond: not merged
  std::size_t max_waiting = 65536;     ///< readers waiting for another's load; beyond: 503
};

/// A read is never older than what this process had announced with invalidate() before the read began, whatever state
/// Redis is in; changes by other processes count from when Redis has received their invalidation, at the latest after
/// the TTL.
///
/// How: a reader that finds nothing first takes a lease in Redis, then reads the database, then replaces its lease,
/// and only its lease, by the value. An invalidation deletes the key, and with it any lease. So a slow reader stores
/// nothing once something newer was announced, nor after the key was evicted, flushed or expired. An invalidation that
/// fails puts its users on a local list, and the cache is not used for them until a later one succeeds. What was lost
/// is sent again by itself, after a second and then with growing pauses. Nobody knows what an earlier process had on
/// such a list: before its first read a new one ends the epoch that it found.
class inventory_cache {
 public:
  /// Reads the database. A refusal (no such user) is passed on and not cached.
  using loader = std::function<net::task<result<inventory_snapshot>>()>;

  /// `redis` (nullptr: no cache, every read is a load) must outlive this and belong to the same thread.
  inventory_cache(net::executor ex, redis::client* redis, inventory_cache_options how);
  ~inventory_cache() = default;
  inventory_cache(const inventory_cache&) = delete;
  inventory_cache& operator=(const inventory_cache&) = delete;

  /// The user's inventory from the cache, or from `load`. Loads of one user that would run at once are merged: every
  /// caller gets the outcome of a load that began after its call, exceptions too. Throws wait_error when `until` passes
  /// while another's load is awaited; a load itself must keep its own deadline.
  net::task<result<inventory_read>> get(user_id user, net::deadline until, loader load);

  /// These users have changed in the database. Call before anybody is told of the change; the deletion is on its way
  /// to Redis when this returns, ahead of every later read.
  void invalidate(std::span<const user_version> changed);

  /// The commit that would give these users these versions may have happened, or may yet happen. As invalidate(), and
  /// nothing older than these versions is stored, by any process, or served here, until the doubt has ended: by
  /// invalidate() for the user, because the commit of a later version means that this one is over, or because that
  /// version or a later one has come into the cache.
  void invalidate_in_doubt(std::span<const user_version> perhaps_changed);

  /// Makes all values of all users worthless, in all processes: one write. `epoch` (1 to 64 visible ASCII characters
  /// without '~', e.g. a date) names the occasion: a second call with the same epoch does nothing. False when Redis
  /// could not be reached; call again then.
  net::task<bool> reset(std::string epoch);

  /// From now on lost invalidations are not repeated any more, so that no timer keeps the event loop busy.
  void stop();

 private:
  class impl;
  std::shared_ptr<impl> impl_;
};

/// Between attempts to repeat what was lost: doubled with each that fails.
inline constexpr std::chrono::milliseconds shortest_repair_pause{1000};
inline constexpr std::chrono::milliseconds longest_repair_pause{16'000};

/// Shared with the callbacks of commands, which Redis may answer when the cache is gone.
class inventory_cache::impl : public std::enable_shared_from_this<impl> {
 public:
  impl(net::executor ex, redis::client* redis, inventory_cache_options how);
  ~impl();
  impl(const impl&) = delete;
  impl& operator=(const impl&) = delete;

  /// Asks for the epoch in force, as soon as the executor runs: what was stored under a later one is ours or was stored
  /// since.
  void find_epoch(const net::executor& ex);

  net::task<result<inventory_read>> get(user_id user, net::deadline until, loader load);
  void invalidate(std::span<const user_version> changed);
  void fence(std::span<const user_version> perhaps_changed);
  net::task<bool> reset(std::string epoch);
  void stop() { repair_timer_.reset(); }

 private:
  /// How a read of the cache went.
  enum class view : std::uint8_t {
    hit,
    empty,        ///< nothing of use; a lease may be taken
    garbage,      ///< as empty, and what is there must be replaced
    unreachable,  ///< no sensible reply
    bypass,       ///< not to be asked
  };

  struct look {
    explicit look(view v) : seen{v} {}
    look(version at, std::string json) : seen{view::hit}, snapshot{at, std::move(json)} {}
    view seen;
    inventory_snapshot snapshot;
  };

  /// The right to store what is loaded from now on: the lease or fence that must still be there then.
  struct permit {
    std::string witness;
    std::string tag;                  ///< of the value to store
    std::optional<version> at_least;  ///< nothing older, by a fence
  };

  /// A permit, or the value that somebody else stored first, or neither.
  struct claim_result {
    std::optional<permit> right;
    std::optional<inventory_snapshot> found;
  };

  net::task<look> look_up(user_id user, net::deadline until);
  look judge(user_id user, redis::reply& answer);
  net::task<result<inventory_read>> fetch(user_id user, view seen, loader load);
  net::task<claim_result> claim(user_id user, bool replace_garbage);
  claim_result judge_claim(user_id user, const redis::reply& answer, const std::string& run);
  void fill(user_id user, const permit& right, const inventory_snapshot& fresh);

  /// Sees to it that nothing is served that is older than this process: `hit` when that is so, else why not. Not by
  /// two callers at once.
  net::task<view> begin();

  void settle(std::span<const user_id> users, bypass_set::mark sent, bool success);
  void send_fences(std::span<const user_version> doubtful, bool repairs);
  void fences_sent(std::span<const user_id> users, bypass_set::mark sent, bool success);
  /// Sends what was lost again, and fences whose life is half over; while that fails, after growing pauses.
  void repair();
  /// Sees to it that repair() is called while there is something to repeat, also when nobody reads.
  void plan_repair();
  void on_repair_timer();
  void send_forget(std::vector<user_id> users);
  void send_renew();
  void repaired(bool success);
  void update_gauges();
  bool bypassed(user_id user) {
    const auto now = std::chrono::steady_clock::now();
    return bypass_.contains(user, now) || doubts_.everybody(now);
  }

  [[nodiscard]] std::string key(user_id user) const;

  redis::client* redis_;
  inventory_cache_options options_;
  std::string epoch_key_;
  nonce_source nonces_;
  single_flight<user_id, result<inventory_read>> flights_;
  bypass_set bypass_;
  doubtful_versions doubts_;
  std::size_t shown_bypassed_ = 0;  ///< our share of the gauges
  std::size_t shown_doubts_ = 0;
  int repairs_ = 0;  ///< commands of repair() without a reply
  bool repair_failed_ = false;
  std::chrono::steady_clock::time_point next_repair_{};
  std::chrono::milliseconds repair_pause_;
  bool repair_planned_ = false;
  std::optional<net::watchdog> repair_timer_;  ///< gone after stop()

  std::optional<std::string> found_epoch_;  ///< the one in force when this began, empty: none; once that is known
  single_flight<int, view> starts_;
  bool begun_ = false;
  std::chrono::steady_clock::time_point next_begin_{};
  std::chrono::steady_clock::time_point safe_from_;  ///< then nothing from before this process is left
};

namespace detail {

inline std::string milliseconds(std::chrono::milliseconds span) { return std::to_string(span.count()); }

}  // namespace detail

inline inventory_cache::impl::impl(net::executor ex, redis::client* redis, inventory_cache_options how)
    : redis_{redis},
      options_{std::move(how)},
      epoch_key_{options_.prefix + "epoch"},
      flights_{joins::next, options_.max_loading, options_.max_waiting},
      // A value that was stored just before its lease ended lives for its TTL from then on.
      bypass_{options_.max_bypassed, options_.ttl + options_.lease_ttl},
      doubts_{options_.max_doubts, options_.doubt, options_.ttl},
      repair_pause_{shortest_repair_pause},
      repair_timer_{std::in_place, std::move(ex), [this] { on_repair_timer(); }},
      starts_{joins::next, 1, options_.max_waiting},
      safe_from_{std::chrono::steady_clock::now() + options_.ttl + options_.lease_ttl} {}

inline inventory_cache::impl::~impl() {
  inventory_metrics::get().bypass_users.add(-static_cast<double>(shown_bypassed_));
  inventory_metrics::get().doubtful_users.add(-static_cast<double>(shown_doubts_));
}

inline std::string inventory_cache::impl::key(user_id user) const {
  return fmt::format("{}inventory:{}", options_.prefix, user.value);
}

inline net::task<result<inventory_read>> inventory_cache::impl::get(user_id user, net::deadline until, loader load) {
  const std::shared_ptr<impl> self = shared_from_this();
  look found = co_await look_up(user, until);
  if (found.seen == view::hit) {
    inventory_metrics::get().hits.add();
    co_return inventory_read{std::move(found.snapshot), source::hit};
  }
  (found.seen == view::bypass ? inventory_metrics::get().bypassed : inventory_metrics::get().misses).add();
  const view seen = found.seen;
  auto work = [self, user, seen, load = std::move(load)] { return self->fetch(user, seen, load); };
  co_return co_await flights_.run(user, until, std::move(work));
}

inline net::task<inventory_cache::impl::look> inventory_cache::impl::look_up(user_id user, net::deadline until) {
  if (redis_ == nullptr) {
    co_return look{view::unreachable};
  }
  if (!begun_) {
    std::function<net::task<view>()> start = [self = shared_from_this()] { return self->begin(); };
    if (const view seen = co_await starts_.run(0, until, std::move(start)); seen != view::hit) {
      co_return look{seen};
    }
  }
  repair();
  if (bypassed(user)) {
    co_return look{view::bypass};
  }
  std::vector<std::string> question{"MGET", epoch_key_, key(user)};
  redis::outcome answer = co_await redis_->command(std::move(question));
  // Replies come in order: by now it is known whether the invalidations before this read arrived.
  if (bypassed(user)) {
    co_return look{view::bypass};
  }
  if (!answer || answer->is_error()) {
    inventory_metrics::get().read_failures.add();
    co_return look{view::unreachable};
  }
  co_return judge(user, *answer);
}

inline inventory_cache::impl::look inventory_cache::impl::judge(user_id user, redis::reply& answer) {
  const inventory_metrics& m = inventory_metrics::get();
  if (answer.elements.size() != 2) {
    m.garbage.add();
    return look{view::unreachable};
  }
  const redis::reply& epoch = answer.elements[0];
  redis::reply& stored = answer.elements[1];
  if (!epoch.is_string() || !is_epoch(epoch.text) || !stored.is_string()) {
    return look{view::empty};
  }
  const entry e = decode_entry(stored.text, value_tag(epoch.text, redis_->server_run()));
  switch (e.kind) {
    case entry_kind::value:
      if (doubts_.forbids(user, e.at)) {
        return look{view::bypass};
      }
      doubts_.note(user, e.at);
      stored.text.erase(0, e.json_begin);
      return look{e.at, std::move(stored.text)};
    case entry_kind::foreign:
      m.foreign.add();
      return look{view::empty};
    case entry_kind::garbage:
      m.garbage.add();
      return look{view::garbage};
    case entry_kind::lease:
    case entry_kind::fence:
      break;
  }
  return look{view::empty};
}

/// One load, for all who wait for it. Its callers' own look at the cache may be some time ago.
inline net::task<result<inventory_read>> inventory_cache::impl::fetch(user_id user, view seen, loader load) {
  std::optional<permit> right;
  if ((seen == view::empty || seen == view::garbage) && !bypassed(user)) {
    claim_result claimed = co_await claim(user, seen == view::garbage);
    if (claimed.found) {
      co_return inventory_read{*std::move(claimed.found), source::hit};
    }
    right = std::move(claimed.right);
  }
  result<inventory_snapshot> fresh = co_await load();
  if (!fresh) {
    co_return std::unexpected(std::move(fresh.error()));
  }
  if (right) {
    fill(user, *right, *fresh);
  }
  co_return inventory_read{*std::move(fresh), seen == view::bypass ? source::bypass : source::miss};
}

inline net::task<inventory_cache::impl::claim_result> inventory_cache::impl::claim(user_id user, bool replace_garbage) {
  const std::string run = redis_->server_run();
  const std::vector<std::string> keys{key(user), epoch_key_};
  const std::vector<std::string> arguments{nonces_.next("L"), detail::milliseconds(options_.lease_ttl),
                                           nonces_.next("~"), replace_garbage ? std::string{} : run};
  const redis::outcome answer = co_await redis_->eval(scripts::claim, keys, arguments);
  if (!answer || bypassed(user)) {
    co_return claim_result{};
  }
  co_return judge_claim(user, *answer, run);
}

inline inventory_cache::impl::claim_result inventory_cache::impl::judge_claim(user_id user, const redis::reply& answer,
                                                                              const std::string& run) {
  claim_result judged;
  const bool sensible = answer.elements.size() == 2 && answer.elements[0].is_string() &&
                        is_epoch(answer.elements[0].text) && answer.elements[1].is_string();
  if (!sensible || redis_->server_run() != run) {
    return judged;
  }
  const std::string& there = answer.elements[1].text;
  std::string tag = value_tag(answer.elements[0].text, run);
  const entry e = decode_entry(there, tag);
  if (e.kind == entry_kind::value) {
    if (!doubts_.forbids(user, e.at)) {
      doubts_.note(user, e.at);
      judged.found.emplace(e.at, there.substr(e.json_begin));
    }
  } else if (e.kind == entry_kind::lease || e.kind == entry_kind::fence) {
    judged.right.emplace();
    judged.right->witness = there;
    judged.right->tag = std::move(tag);
    if (e.kind == entry_kind::fence) {
      judged.right->at_least = e.at;
    }
  }
  return judged;
}

inline void inventory_cache::impl::fill(user_id user, const permit& right, const inventory_snapshot& fresh) {
  const inventory_metrics& m = inventory_metrics::get();
  if (bypassed(user) || doubts_.forbids(user, fresh.at) || (right.at_least && fresh.at < *right.at_least)) {
    m.fills_refused.add();
    return;
  }
  const std::vector<std::string> keys{key(user)};
  std::vector<std::string> arguments{right.witness};
  arguments.push_back(encode_value(right.tag, fresh.at, fresh.json));
  arguments.push_back(detail::milliseconds(options_.ttl));
  redis_->post_eval(scripts::fill, keys, arguments,
                    [self = shared_from_this(), user, at = fresh.at](redis::outcome done) {
                      const inventory_metrics& counters = inventory_metrics::get();
                      if (!done || !done->is_integer()) {
                        counters.fills_failed.add();
                      } else if (done->integer == 1) {
                        counters.fills_stored.add();
                        self->doubts_.note(user, at);
                      } else {
                        counters.fills_refused.add();
                      }
                    });
}

inline net::task<bool> inventory_cache::impl::reset(std::string epoch) {
  if (redis_ == nullptr) {
    co_return true;
  }
  const std::vector<std::string> keys{epoch_key_};
  const std::vector<std::string> arguments{std::move(epoch), nonces_.next()};
  const redis::outcome done = co_await redis_->eval(scripts::reset, keys, arguments);
  co_return done && done->is_integer();
}

namespace detail {

using clock = std::chrono::steady_clock;

/// Users per command that repeats something: about a millisecond of Redis' time.
inline constexpr std::size_t repair_chunk = 256;

}  // namespace detail

inline void inventory_cache::impl::find_epoch(const net::executor& ex) {
  if (redis_ == nullptr) {
    return;
  }
  asio::post(ex, [held = weak_from_this()] {
    const std::shared_ptr<impl> self = held.lock();
    if (!self) {
      return;
    }
    const std::string_view question[] = {"GET", self->epoch_key_};
    self->redis_->post_command(question, [self](redis::outcome answer) {
      if (answer && !answer->is_error()) {
        self->found_epoch_ = std::move(answer->text);
      }
    });
  });
}

inline net::task<inventory_cache::impl::view> inventory_cache::impl::begin() {
  begun_ = begun_ || detail::clock::now() >= safe_from_;
  if (begun_) {
    co_return view::hit;
  }
  if (detail::clock::now() < next_begin_) {
    co_return view::bypass;
  }
  // Whoever else has renewed the epoch since we began did so for us as well.
  const std::vector<std::string> keys{epoch_key_};
  const std::vector<std::string> arguments{nonces_.next(), found_epoch_ ? "=" + *found_epoch_ : std::string{}};
  const redis::outcome done = co_await redis_->eval(scripts::renew, keys, arguments);
  if (!done) {
    co_return view::unreachable;
  }
  if (!done->is_integer()) {
    next_begin_ = detail::clock::now() + shortest_repair_pause;
    co_return view::bypass;
  }
  begun_ = true;
  if (done->integer == 1) {
    inventory_metrics::get().renewals.add();
    log::info("inventory cache dropped", {{"reason", "an earlier process may have lost invalidations"}});
  }
  co_return view::hit;
}

inline void inventory_cache::impl::invalidate(std::span<const user_version> changed) {
  if (redis_ == nullptr || changed.empty()) {
    return;
  }
  std::vector<user_id> users;
  std::vector<std::string> keys;
  users.reserve(changed.size());
  keys.reserve(changed.size());
  for (const auto& [user, at] : changed) {
    users.push_back(user);
    keys.push_back(key(user));
    // The users were locked anew for this commit, so whatever was in doubt had ended.
    doubts_.settle(user);
  }
  std::vector<std::string_view> command{"UNLINK"};
  command.insert(command.end(), keys.begin(), keys.end());
  const bypass_set::mark sent = bypass_.now_mark();
  redis_->post_command(command, [self = shared_from_this(), users = std::move(users), sent](redis::outcome done) {
    self->settle(users, sent, done && done->is_integer());
  });
}

inline void inventory_cache::impl::fence(std::span<const user_version> perhaps_changed) {
  if (redis_ == nullptr) {
    return;
  }
  const auto now = detail::clock::now();
  for (const auto& [user, at] : perhaps_changed) {
    doubts_.add(user, at, now);
  }
  for (; !perhaps_changed.empty();
       perhaps_changed = perhaps_changed.subspan(std::min(detail::repair_chunk, perhaps_changed.size()))) {
    send_fences(perhaps_changed.first(std::min(detail::repair_chunk, perhaps_changed.size())), false);
  }
  plan_repair();
  update_gauges();
}

inline void inventory_cache::impl::send_fences(std::span<const user_version> doubtful, bool repairs) {
  std::vector<user_id> users;
  std::vector<std::string> keys;
  std::vector<std::string> arguments{detail::milliseconds(options_.ttl)};
  for (const auto& [user, at] : doubtful) {
    users.push_back(user);
    keys.push_back(key(user));
    arguments.push_back(std::to_string(at.value));
  }
  const bypass_set::mark sent = bypass_.now_mark();
  redis_->post_eval(scripts::fence, keys, arguments,
                    [self = shared_from_this(), users = std::move(users), sent, repairs](redis::outcome done) {
                      const bool success = done && done->is_integer();
                      self->fences_sent(users, sent, success);
                      if (repairs) {
                        self->repaired(success);
                      }
                    });
}

inline void inventory_cache::impl::fences_sent(std::span<const user_id> users, bypass_set::mark sent, bool success) {
  if (success) {
    settle(users, sent, true);
    return;
  }
  // Here the doubt itself keeps out what is older; without it, for want of room, only the list of losses does.
  std::vector<user_id> forgotten;
  for (const user_id user : users) {
    if (!doubts_.fence_failed(user)) {
      forgotten.push_back(user);
    }
  }
  inventory_metrics::get().invalidations_lost.add(static_cast<double>(users.size() - forgotten.size()));
  settle(forgotten, sent, false);
}

inline void inventory_cache::impl::settle(std::span<const user_id> users, bypass_set::mark sent, bool success) {
  const inventory_metrics& m = inventory_metrics::get();
  if (!success) {
    m.invalidations_lost.add(static_cast<double>(users.size()));
    const auto now = detail::clock::now();
    for (const user_id user : users) {
      bypass_.add(user, now);
    }
    plan_repair();
  } else {
    m.invalidated.add(static_cast<double>(users.size()));
    if (bypass_.size() > 0) {
      for (const user_id user : users) {
        bypass_.forgive(user, sent);
      }
    }
  }
  update_gauges();
}

inline void inventory_cache::impl::plan_repair() {
  if (repair_planned_ || !repair_timer_ || (bypass_.empty(detail::clock::now()) && doubts_.size() == 0)) {
    return;
  }
  repair_planned_ = true;
  repair_timer_->arm(std::max(detail::clock::now() + shortest_repair_pause, next_repair_));
}

inline void inventory_cache::impl::on_repair_timer() {
  repair_planned_ = false;
  repair();
  plan_repair();
}

inline void inventory_cache::impl::repair() {
  const auto now = detail::clock::now();
  if (repairs_ > 0 || now < next_repair_ || (bypass_.empty(now) && !doubts_.has_due(now)) || !redis_->available()) {
    return;
  }
  const std::vector<user_version> due = doubts_.take_due(now, detail::repair_chunk);
  const bool everybody = bypass_.everybody(now);
  std::vector<user_id> lost = everybody ? std::vector<user_id>{} : bypass_.oldest(detail::repair_chunk);
  repairs_ = (due.empty() ? 0 : 1) + (everybody || !lost.empty() ? 1 : 0);
  repair_failed_ = false;
  if (!due.empty()) {
    send_fences(due, true);
  }
  if (everybody) {
    send_renew();
  } else if (!lost.empty()) {
    send_forget(std::move(lost));
  }
  update_gauges();
}

inline void inventory_cache::impl::send_forget(std::vector<user_id> users) {
  std::vector<std::string> keys;
  std::transform(users.begin(), users.end(), std::back_inserter(keys), [this](user_id user) { return key(user); });
  const bypass_set::mark sent = bypass_.now_mark();
  redis_->post_eval(scripts::forget, keys, {},
                    [self = shared_from_this(), users = std::move(users), sent](redis::outcome done) {
                      const bool success = done && done->is_integer();
                      self->settle(users, sent, success);
                      self->repaired(success);
                    });
}

/// More was lost than can be remembered: with a new epoch, whatever it was is never served again.
inline void inventory_cache::impl::send_renew() {
  const std::vector<std::string> keys{epoch_key_};
  const std::vector<std::string> arguments{nonces_.next(), std::string{}};
  const bypass_set::mark sent = bypass_.now_mark();
  redis_->post_eval(scripts::renew, keys, arguments, [self = shared_from_this(), sent](redis::outcome done) {
    const bool success = done && done->is_integer();
    if (success) {
      self->bypass_.forgive_all(sent);
      self->update_gauges();
      inventory_metrics::get().renewals.add();
      log::warn("inventory cache dropped", {{"reason", "too many invalidations were lost"}});
    }
    self->repaired(success);
  });
}

inline void inventory_cache::impl::repaired(bool success) {
  (success ? inventory_metrics::get().repairs_done : inventory_metrics::get().repairs_failed).add();
  repair_failed_ = repair_failed_ || !success;
  if (--repairs_ > 0) {
    return;
  }
  if (repair_failed_) {
    next_repair_ = detail::clock::now() + repair_pause_;
    repair_pause_ = std::min(repair_pause_ * 2, longest_repair_pause);
  } else {
    repair_pause_ = shortest_repair_pause;
    repair();
  }
}

inline void inventory_cache::impl::update_gauges() {
  const auto show = [](metrics::gauge gauge, std::size_t& shown, std::size_t size) {
    if (shown != size) {
      gauge.add(static_cast<double>(size) - static_cast<double>(shown));
      shown = size;
    }
  };
  show(inventory_metrics::get().bypass_users, shown_bypassed_, bypass_.size());
  show(inventory_metrics::get().doubtful_users, shown_doubts_, doubts_.size());
}

inline inventory_cache::inventory_cache(net::executor ex, redis::client* redis, inventory_cache_options how)
    : impl_{std::make_shared<impl>(ex, redis, std::move(how))} {
  impl_->find_epoch(ex);
}

inline net::task<result<inventory_read>> inventory_cache::get(user_id user, net::deadline until, loader load) {
  return impl_->get(user, until, std::move(load));
}

inline void inventory_cache::invalidate(std::span<const user_version> changed) { impl_->invalidate(changed); }

inline void inventory_cache::stop() { impl_->stop(); }

inline void inventory_cache::invalidate_in_doubt(std::span<const user_version> perhaps_changed) {
  impl_->fence(perhaps_changed);
}

inline net::task<bool> inventory_cache::reset(std::string epoch) {
  COFFER_ASSERT(is_epoch(epoch) && epoch.size() <= 64 && epoch.find('~') == std::string::npos);
  return impl_->reset(std::move(epoch));
}

namespace detail {

/// As a pattern of SCAN that stands for itself.
inline std::string literal_pattern(std::string_view text) {
  std::string pattern;
  for (const char c : text) {
    if (std::string_view{"*?[]^\\"}.find(c) != std::string_view::npos) {
      pattern += '\\';
    }
    pattern += c;
  }
  return pattern;
}

}  // namespace detail

/// Makes all that is cached under `prefix` worthless, in all processes, and then deletes it: inventories and the
/// popular products. Fences of commits in doubt stay. Gives the number of inventories that were looked at, nullopt when
/// Redis did not answer or refused a command. Copies that processes keep of the popular products live on.
inline net::task<std::optional<std::int64_t>> drop_everything(redis::client& redis, std::string prefix) {
  nonce_source nonces;
  const std::vector<std::string> epoch{prefix + "epoch"};
  const std::vector<std::string> renewal{nonces.next(), std::string{}};
  const redis::outcome renewed = co_await redis.eval(scripts::renew, epoch, renewal);
  std::vector<std::string> popular{"UNLINK", prefix + "popular"};
  const redis::outcome unlinked = co_await redis.command(std::move(popular));
  if (!renewed || !renewed->is_integer() || !unlinked || !unlinked->is_integer()) {
    co_return std::nullopt;
  }
  const std::string pattern = detail::literal_pattern(prefix) + "inventory:*";
  std::int64_t seen = 0;
  std::string cursor = "0";
  do {
    std::vector<std::string> question{"SCAN", cursor, "MATCH", pattern, "COUNT", "1000"};
    redis::outcome page = co_await redis.command(std::move(question));
    if (!page || page->elements.size() != 2) {
      co_return std::nullopt;
    }
    cursor = page->elements[0].text;
    std::vector<std::string> keys;
    for (redis::reply& each : page->elements[1].elements) {
      keys.push_back(std::move(each.text));
    }
    if (keys.empty()) {
      continue;
    }
    seen += std::ssize(keys);
    const std::vector<std::string> none;
    const redis::outcome forgotten = co_await redis.eval(scripts::forget, keys, none);
    if (!forgotten || !forgotten->is_integer()) {
      co_return std::nullopt;
    }
  } while (cursor != "0");
  co_return seen;
}

}  // namespace coffer::cache
