// A user's inventory: from the cache, or from the database and then into the cache.
#pragma once

#include <string>
#include <vector>

#include "coffer/base/error.hpp"
#include "coffer/cache/inventory_cache.hpp"
#include "coffer/ledger/ledger.hpp"
#include "coffer/service/database.hpp"
#include "coffer/store/inventory_store.hpp"

namespace coffer::service {

/// An inventory as JSON.
struct inventory_view {
  version at;
  std::string json;
  cache::source from = cache::source::miss;
};

/// Turns an inventory into the JSON that clients get.
using inventory_renderer = std::string (*)(const store::inventory&);

/// Reads inventories of the users whose lanes one thread owns. One instance per thread.
class inventory_reader {
 public:
  inventory_reader(net::executor ex, pg::pool& db, cache::inventory_cache& cached, inventory_renderer render)
      : executor_{std::move(ex)}, db_{db}, cache_{cached}, render_{render} {}

  /// On this reader's thread. Refusal: user_not_found. Throws pg::error and cache::wait_error.
  net::task<result<inventory_view>> find(user_id user, net::deadline until);

  [[nodiscard]] const net::executor& executor() const { return executor_; }

 private:
  net::task<result<cache::inventory_snapshot>> load(user_id user, net::deadline until);

  net::executor executor_;
  pg::pool& db_;
  cache::inventory_cache& cache_;
  inventory_renderer render_;
};

/// Sends each read to the thread that writes the user, so that it queues behind that user's
/// invalidations.
class inventory {
 public:
  /// `readers` by thread number.
  inventory(const ledger::ledger& l, std::vector<inventory_reader*> readers)
      : ledger_{l}, readers_{std::move(readers)} {}

  /// From any thread. Refusal: user_not_found. Throws pg::error and cache::wait_error.
  net::task<result<inventory_view>> find(user_id user, net::deadline until);

 private:
  const ledger::ledger& ledger_;
  std::vector<inventory_reader*> readers_;
};

inline net::task<result<inventory_view>> inventory_reader::find(user_id user, net::deadline until) {
  cache::inventory_cache::loader load_it = [this, user, until] { return load(user, until); };
  result<cache::inventory_read> read = co_await cache_.get(user, until, std::move(load_it));
  if (!read) {
    co_return std::unexpected(std::move(read).error());
  }
  co_return inventory_view{.at = read->snapshot.at, .json = std::move(read->snapshot.json), .from = read->from};
}

inline net::task<result<cache::inventory_snapshot>> inventory_reader::load(user_id user, net::deadline until) {
  const auto work = [user, until](pg::connection& db) { return store::find_inventory(db, user, until); };
  const std::optional<store::inventory> found = co_await with_connection(db_, until, true, work);
  if (!found) {
    co_return std::unexpected(error{errc::user_not_found});
  }
  co_return cache::inventory_snapshot{found->at, render_(*found)};
}

inline net::task<result<inventory_view>> inventory::find(user_id user, net::deadline until) {
  inventory_reader& reader = *readers_[ledger_.lane_for(user).thread];
  const net::executor here = co_await asio::this_coro::executor;
  if (here == reader.executor()) {
    co_return co_await reader.find(user, until);
  }
  co_return co_await asio::co_spawn(reader.executor(), reader.find(user, until), net::use_task);
}

}  // namespace coffer::service
