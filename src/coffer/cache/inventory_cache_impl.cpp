#include "coffer/cache/inventory_cache_impl.hpp"

#include <utility>

#include <fmt/format.h>

#include "coffer/cache/cache_metrics.hpp"
#include "coffer/cache/entry.hpp"
#include "coffer/cache/scripts.hpp"

namespace coffer::cache {

namespace {

std::string milliseconds(std::chrono::milliseconds span) { return std::to_string(span.count()); }

}  // namespace

inventory_cache::impl::impl(net::executor ex, redis::client* redis, inventory_cache_options how)
    : redis_{redis},
      options_{std::move(how)},
      epoch_key_{options_.prefix + "epoch"},
      flights_{ex, options_.max_loading, options_.max_waiting},
      // A value that was stored just before its lease ended lives for its TTL from then on.
      bypass_{options_.max_bypassed, options_.ttl + options_.lease_ttl},
      doubts_{options_.max_doubts, options_.doubt, options_.ttl},
      repair_pause_{shortest_repair_pause},
      repair_timer_{std::in_place, ex, [this] { on_repair_timer(); }},
      starts_{std::move(ex), 1, options_.max_waiting},
      safe_from_{std::chrono::steady_clock::now() + options_.ttl + options_.lease_ttl} {}

inventory_cache::impl::~impl() {
  inventory_metrics::get().bypass_users.add(-static_cast<double>(shown_bypassed_));
  inventory_metrics::get().doubtful_users.add(-static_cast<double>(shown_doubts_));
}

std::string inventory_cache::impl::key(user_id user) const {
  return fmt::format("{}inventory:{}", options_.prefix, user.value);
}

net::task<result<inventory_read>> inventory_cache::impl::get(user_id user, net::deadline until, loader load) {
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

net::task<inventory_cache::impl::look> inventory_cache::impl::look_up(user_id user, net::deadline until) {
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

inventory_cache::impl::look inventory_cache::impl::judge(user_id user, redis::reply& answer) {
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
net::task<result<inventory_read>> inventory_cache::impl::fetch(user_id user, view seen, loader load) {
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

net::task<inventory_cache::impl::claim_result> inventory_cache::impl::claim(user_id user, bool replace_garbage) {
  const std::string run = redis_->server_run();
  std::vector<std::string> keys{key(user), epoch_key_};
  std::vector<std::string> arguments{nonces_.next("L"), milliseconds(options_.lease_ttl), nonces_.next("~"),
                                     replace_garbage ? std::string{} : run};
  const redis::outcome answer = co_await redis_->eval(scripts::claim, std::move(keys), std::move(arguments));
  if (!answer || bypassed(user)) {
    co_return claim_result{};
  }
  co_return judge_claim(user, *answer, run);
}

inventory_cache::impl::claim_result inventory_cache::impl::judge_claim(user_id user, const redis::reply& answer,
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

void inventory_cache::impl::fill(user_id user, const permit& right, const inventory_snapshot& fresh) {
  const inventory_metrics& m = inventory_metrics::get();
  if (bypassed(user) || doubts_.forbids(user, fresh.at) || (right.at_least && fresh.at < *right.at_least)) {
    m.fills_refused.add();
    return;
  }
  const std::string where = key(user);
  const std::string value = encode_value(right.tag, fresh.at, fresh.json);
  const std::string ttl = milliseconds(options_.ttl);
  const std::string_view command[] = {"EVAL", scripts::fill, "1", where, right.witness, value, ttl};
  redis_->post_command(command, [self = shared_from_this(), user, at = fresh.at](redis::outcome done) {
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

net::task<bool> inventory_cache::impl::reset(std::string epoch) {
  if (redis_ == nullptr) {
    co_return true;
  }
  std::vector<std::string> keys{epoch_key_};
  std::vector<std::string> arguments{std::move(epoch), nonces_.next()};
  const redis::outcome done = co_await redis_->eval(scripts::reset, std::move(keys), std::move(arguments));
  co_return done && done->is_integer();
}

}  // namespace coffer::cache
