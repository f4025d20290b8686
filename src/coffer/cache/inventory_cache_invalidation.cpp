// The part of inventory_cache that tells Redis of changes, and remembers of whom Redis could not be told.
#include <iterator>
#include <utility>

#include "coffer/base/log.hpp"
#include "coffer/cache/cache_metrics.hpp"
#include "coffer/cache/entry.hpp"
#include "coffer/cache/inventory_cache_impl.hpp"
#include "coffer/cache/scripts.hpp"

namespace coffer::cache {

namespace {

using clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

/// Users per deletion that repeats lost ones: about a millisecond of Redis' time.
constexpr std::size_t repair_chunk = 1024;
constexpr auto repair_pause = 1s;

}  // namespace

void inventory_cache::impl::send_unlink(std::vector<user_id> users, unlinked then) {
  std::vector<std::string> keys;
  keys.reserve(users.size());
  for (const user_id user : users) {
    keys.push_back(key(user));
  }
  std::vector<std::string_view> command{"UNLINK"};
  command.insert(command.end(), keys.begin(), keys.end());
  const bypass_set::mark sent = bypass_.now_mark();
  redis_->post_command(command, [self = shared_from_this(), users = std::move(users), sent, then](redis::outcome done) {
    const bool success = done && done->is_integer();
    self->settle(users, sent, success);
    if (then != nullptr) {
      (self.get()->*then)(success);
    }
  });
}

void inventory_cache::impl::invalidate(std::span<const user_version> changed) {
  if (redis_ == nullptr || changed.empty()) {
    return;
  }
  std::vector<user_id> users;
  users.reserve(changed.size());
  for (const user_version& c : changed) {
    users.push_back(c.first);
  }
  send_unlink(std::move(users), nullptr);
}

void inventory_cache::impl::fence(std::span<const user_version> perhaps_changed) {
  if (redis_ == nullptr) {
    return;
  }
  const std::string ttl = std::to_string(std::chrono::milliseconds{options_.ttl}.count());
  for (const auto& [user, at] : perhaps_changed) {
    const std::string where = key(user);
    const std::string value = encode_fence(at);
    const std::string_view command[] = {"SET", where, value, "PX", ttl};
    const bypass_set::mark sent = bypass_.now_mark();
    redis_->post_command(command, [self = shared_from_this(), u = user, sent](redis::outcome done) {
      self->settle({&u, 1}, sent, done && done->is_ok());
    });
  }
}

void inventory_cache::impl::settle(std::span<const user_id> users, bypass_set::mark sent, bool success) {
  const inventory_metrics& m = inventory_metrics::get();
  if (!success) {
    m.invalidations_lost.add(static_cast<double>(users.size()));
    const auto now = clock::now();
    for (const user_id user : users) {
      bypass_.add(user, now);
    }
  } else {
    m.invalidated.add(static_cast<double>(users.size()));
    if (bypass_.size() > 0) {
      for (const user_id user : users) {
        bypass_.forgive(user, sent);
      }
    }
  }
  update_gauge();
}

void inventory_cache::impl::repair() {
  const auto now = clock::now();
  if (repairing_ || now < next_repair_ || bypass_.empty(now) || !redis_->available()) {
    return;
  }
  repairing_ = true;
  if (!bypass_.everybody(now)) {
    send_unlink(bypass_.oldest(repair_chunk), &impl::repaired);
    return;
  }
  // More was lost than can be remembered: with a new epoch, whatever it was is never served again.
  const std::string nonce = nonces_.next();
  const std::string_view command[] = {"EVAL", scripts::renew, "1", epoch_key_, nonce};
  const bypass_set::mark sent = bypass_.now_mark();
  redis_->post_command(command, [self = shared_from_this(), sent](redis::outcome done) {
    const bool success = done && done->is_integer();
    if (success) {
      self->bypass_.forgive_all(sent);
      self->update_gauge();
      inventory_metrics::get().renewals.add();
      log::warn("inventory cache dropped: too many invalidations were lost");
    }
    self->repaired(success);
  });
}

void inventory_cache::impl::repaired(bool success) {
  repairing_ = false;
  if (success) {
    repair();
  } else {
    next_repair_ = clock::now() + repair_pause;
  }
}

void inventory_cache::impl::update_gauge() {
  const std::size_t now_bypassed = bypass_.size();
  if (now_bypassed != shown_bypassed_) {
    inventory_metrics::get().bypass_users.add(static_cast<double>(now_bypassed) - static_cast<double>(shown_bypassed_));
    shown_bypassed_ = now_bypassed;
  }
}

}  // namespace coffer::cache
