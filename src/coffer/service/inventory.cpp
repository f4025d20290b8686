#include "coffer/service/inventory.hpp"

namespace coffer::service {

net::task<result<inventory_view>> inventory_reader::find(user_id user, net::deadline until) {
  cache::inventory_cache::loader load_it = [this, user, until] { return load(user, until); };
  result<cache::inventory_read> read = co_await cache_.get(user, until, std::move(load_it));
  if (!read) {
    co_return std::unexpected(std::move(read).error());
  }
  co_return inventory_view{.at = read->snapshot.at, .json = std::move(read->snapshot.json), .from = read->from};
}

net::task<result<cache::inventory_snapshot>> inventory_reader::load(user_id user, net::deadline until) {
  const auto work = [user, until](pg::connection& db) { return store::find_inventory(db, user, until); };
  const std::optional<store::inventory> found = co_await with_connection(db_, until, true, work);
  if (!found) {
    co_return std::unexpected(error{errc::user_not_found});
  }
  co_return cache::inventory_snapshot{found->at, render_(*found)};
}

net::task<result<inventory_view>> inventory::find(user_id user, net::deadline until) {
  inventory_reader& reader = *readers_[ledger_.lane_for(user).thread];
  const net::executor here = co_await asio::this_coro::executor;
  if (here == reader.executor()) {
    co_return co_await reader.find(user, until);
  }
  co_return co_await asio::co_spawn(reader.executor(), reader.find(user, until), net::use_task);
}

}  // namespace coffer::service
