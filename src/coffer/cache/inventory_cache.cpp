#include "coffer/cache/inventory_cache.hpp"

#include "coffer/base/assert.hpp"
#include "coffer/cache/entry.hpp"
#include "coffer/cache/inventory_cache_impl.hpp"

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

net::task<bool> inventory_cache::reset(std::string epoch) {
  COFFER_ASSERT(is_epoch(epoch) && epoch.size() <= 64 && epoch.find('~') == std::string::npos);
  return impl_->reset(std::move(epoch));
}

}  // namespace coffer::cache
