#include "coffer/cache/inventory_cache.hpp"

#include "coffer/base/assert.hpp"
#include "coffer/cache/entry.hpp"
#include "coffer/cache/inventory_cache_impl.hpp"
#include "coffer/cache/nonce.hpp"
#include "coffer/cache/scripts.hpp"

namespace coffer::cache {

inventory_cache::inventory_cache(net::executor ex, redis::client* redis, inventory_cache_options how)
    : impl_{std::make_shared<impl>(ex, redis, std::move(how))} {
  impl_->find_epoch(ex);
}

inventory_cache::~inventory_cache() = default;

net::task<result<inventory_read>> inventory_cache::get(user_id user, net::deadline until, loader load) {
  return impl_->get(user, until, std::move(load));
}

void inventory_cache::invalidate(std::span<const user_version> changed) { impl_->invalidate(changed); }

void inventory_cache::invalidate_in_doubt(std::span<const user_version> perhaps_changed) {
  impl_->fence(perhaps_changed);
}

void inventory_cache::stop() { impl_->stop(); }

net::task<bool> inventory_cache::reset(std::string epoch) {
  COFFER_ASSERT(is_epoch(epoch) && epoch.size() <= 64 && epoch.find('~') == std::string::npos);
  return impl_->reset(std::move(epoch));
}

namespace {

/// As a pattern of SCAN that stands for itself.
std::string literal_pattern(std::string_view text) {
  std::string pattern;
  for (const char c : text) {
    if (std::string_view{"*?[]^\\"}.find(c) != std::string_view::npos) {
      pattern += '\\';
    }
    pattern += c;
  }
  return pattern;
}

}  // namespace

net::task<std::optional<std::int64_t>> drop_everything(redis::client& redis, std::string prefix) {
  nonce_source nonces;
  std::vector<std::string> epoch{prefix + "epoch"};
  std::vector<std::string> renewal{nonces.next(), std::string{}};
  const redis::outcome renewed = co_await redis.eval(scripts::renew, std::move(epoch), std::move(renewal));
  std::vector<std::string> popular{"UNLINK", prefix + "popular"};
  const redis::outcome unlinked = co_await redis.command(std::move(popular));
  if (!renewed || !renewed->is_integer() || !unlinked || !unlinked->is_integer()) {
    co_return std::nullopt;
  }
  const std::string pattern = literal_pattern(prefix) + "inventory:*";
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
    std::vector<std::string> none;
    const redis::outcome forgotten = co_await redis.eval(scripts::forget, std::move(keys), std::move(none));
    if (!forgotten || !forgotten->is_integer()) {
      co_return std::nullopt;
    }
  } while (cursor != "0");
  co_return seen;
}

}  // namespace coffer::cache
