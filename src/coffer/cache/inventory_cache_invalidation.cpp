// The part of inventory_cache that tells Redis of changes, and remembers of whom Redis could not be told.
#include <algorithm>
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

/// Users per command that repeats something: about a millisecond of Redis' time.
constexpr std::size_t repair_chunk = 256;

}  // namespace

void inventory_cache::impl::find_epoch(const net::executor& ex) {
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

net::task<inventory_cache::impl::view> inventory_cache::impl::begin() {
  begun_ = begun_ || clock::now() >= safe_from_;
  if (begun_) {
    co_return view::hit;
  }
  if (clock::now() < next_begin_) {
    co_return view::bypass;
  }
  // Whoever else has renewed the epoch since we began did so for us as well.
  std::vector<std::string> keys{epoch_key_};
  std::vector<std::string> arguments{nonces_.next(), found_epoch_ ? "=" + *found_epoch_ : std::string{}};
  const redis::outcome done = co_await redis_->eval(scripts::renew, std::move(keys), std::move(arguments));
  if (!done) {
    co_return view::unreachable;
  }
  if (!done->is_integer()) {
    next_begin_ = clock::now() + shortest_repair_pause;
    co_return view::bypass;
  }
  begun_ = true;
  if (done->integer == 1) {
    inventory_metrics::get().renewals.add();
    log::info("inventory cache dropped", {{"reason", "an earlier process may have lost invalidations"}});
  }
  co_return view::hit;
}

void inventory_cache::impl::invalidate(std::span<const user_version> changed) {
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

void inventory_cache::impl::fence(std::span<const user_version> perhaps_changed) {
  if (redis_ == nullptr) {
    return;
  }
  const auto now = clock::now();
  for (const auto& [user, at] : perhaps_changed) {
    doubts_.add(user, at, now);
  }
  for (; !perhaps_changed.empty();
       perhaps_changed = perhaps_changed.subspan(std::min(repair_chunk, perhaps_changed.size()))) {
    send_fences(perhaps_changed.first(std::min(repair_chunk, perhaps_changed.size())), false);
  }
  plan_repair();
  update_gauges();
}

void inventory_cache::impl::send_fences(std::span<const user_version> doubtful, bool repairs) {
  std::vector<user_id> users;
  std::vector<std::string> words{"EVAL", std::string{scripts::fence}, std::to_string(doubtful.size())};
  std::vector<std::string> versions{std::to_string(std::chrono::milliseconds{options_.ttl}.count())};
  for (const auto& [user, at] : doubtful) {
    users.push_back(user);
    words.push_back(key(user));
    versions.push_back(std::to_string(at.value));
  }
  words.insert(words.end(), std::make_move_iterator(versions.begin()), std::make_move_iterator(versions.end()));
  const std::vector<std::string_view> command{words.begin(), words.end()};
  const bypass_set::mark sent = bypass_.now_mark();
  redis_->post_command(command,
                       [self = shared_from_this(), users = std::move(users), sent, repairs](redis::outcome done) {
                         const bool success = done && done->is_integer();
                         self->fences_sent(users, sent, success);
                         if (repairs) {
                           self->repaired(success);
                         }
                       });
}

void inventory_cache::impl::fences_sent(std::span<const user_id> users, bypass_set::mark sent, bool success) {
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

void inventory_cache::impl::settle(std::span<const user_id> users, bypass_set::mark sent, bool success) {
  const inventory_metrics& m = inventory_metrics::get();
  if (!success) {
    m.invalidations_lost.add(static_cast<double>(users.size()));
    const auto now = clock::now();
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

void inventory_cache::impl::plan_repair() {
  if (repair_planned_ || !repair_timer_ || (bypass_.empty(clock::now()) && doubts_.size() == 0)) {
    return;
  }
  repair_planned_ = true;
  repair_timer_->arm(std::max(clock::now() + shortest_repair_pause, next_repair_));
}

void inventory_cache::impl::on_repair_timer() {
  repair_planned_ = false;
  repair();
  plan_repair();
}

void inventory_cache::impl::repair() {
  const auto now = clock::now();
  if (repairs_ > 0 || now < next_repair_ || (bypass_.empty(now) && !doubts_.has_due(now)) || !redis_->available()) {
    return;
  }
  const std::vector<user_version> due = doubts_.take_due(now, repair_chunk);
  const bool everybody = bypass_.everybody(now);
  std::vector<user_id> lost = everybody ? std::vector<user_id>{} : bypass_.oldest(repair_chunk);
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

void inventory_cache::impl::send_forget(std::vector<user_id> users) {
  std::vector<std::string> words{"EVAL", std::string{scripts::forget}, std::to_string(users.size())};
  std::transform(users.begin(), users.end(), std::back_inserter(words), [this](user_id user) { return key(user); });
  const std::vector<std::string_view> command{words.begin(), words.end()};
  const bypass_set::mark sent = bypass_.now_mark();
  redis_->post_command(command, [self = shared_from_this(), users = std::move(users), sent](redis::outcome done) {
    const bool success = done && done->is_integer();
    self->settle(users, sent, success);
    self->repaired(success);
  });
}

/// More was lost than can be remembered: with a new epoch, whatever it was is never served again.
void inventory_cache::impl::send_renew() {
  const std::string nonce = nonces_.next();
  const std::string_view command[] = {"EVAL", scripts::renew, "1", epoch_key_, nonce, ""};
  const bypass_set::mark sent = bypass_.now_mark();
  redis_->post_command(command, [self = shared_from_this(), sent](redis::outcome done) {
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

void inventory_cache::impl::repaired(bool success) {
  (success ? inventory_metrics::get().repairs_done : inventory_metrics::get().repairs_failed).add();
  repair_failed_ = repair_failed_ || !success;
  if (--repairs_ > 0) {
    return;
  }
  if (repair_failed_) {
    next_repair_ = clock::now() + repair_pause_;
    repair_pause_ = std::min(repair_pause_ * 2, longest_repair_pause);
  } else {
    repair_pause_ = shortest_repair_pause;
    repair();
  }
}

void inventory_cache::impl::update_gauges() {
  const auto show = [](metrics::gauge gauge, std::size_t& shown, std::size_t size) {
    if (shown != size) {
      gauge.add(static_cast<double>(size) - static_cast<double>(shown));
      shown = size;
    }
  };
  show(inventory_metrics::get().bypass_users, shown_bypassed_, bypass_.size());
  show(inventory_metrics::get().doubtful_users, shown_doubts_, doubts_.size());
}

}  // namespace coffer::cache
