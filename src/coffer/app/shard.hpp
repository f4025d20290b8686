// Everything that one thread owns: its io_context, connections, services and the API on top of them.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "coffer/api/dispatch.hpp"
#include "coffer/app/settings.hpp"
#include "coffer/net/task_group.hpp"

namespace coffer::app {

/// What `coffer serve` tells PostgreSQL about its sessions.
pg::options database_options(const settings& s);

/// A serving thread's belongings. Built and destroyed on the main thread while no context runs.
class shard {
 public:
  /// `sold_out`, `limits` and `database_looks` are shared by all threads. `keys_changed` is called when a server key
  /// was made or revoked here.
  shard(const settings& s, const std::atomic<bool>& draining, service::sold_out_memory& sold_out,
        limit::limiter& limits, service::database_watch& database_looks, std::function<void()> keys_changed);

  /// Puts the API together, once the ledger and the other threads' readers exist.
  void open(ledger::ledger& lanes, std::vector<service::inventory_reader*> readers, const api::documents& described);

  /// Serves until close() has ended and nothing is left to do. The thread's main function.
  void run();

  /// Ends what open() started: waits for background work and lent connections until `until`, and for lanes with a batch
  /// in flight until that is over, at most until `lanes_end`. On this thread.
  net::task<> close(net::deadline until, net::deadline lanes_end);

  [[nodiscard]] net::executor executor() { return context_.get_executor(); }
  [[nodiscard]] net::task_group& tasks() { return tasks_; }
  [[nodiscard]] service::inventory_reader& inventory_reader() { return reader_; }
  [[nodiscard]] cache::inventory_cache& inventory_cache() { return inventory_cache_; }
  [[nodiscard]] auth::authenticator& credentials() { return credentials_; }
  [[nodiscard]] redis::client* redis() { return redis_.get(); }  ///< null: none is configured
  [[nodiscard]] pg::pool& database() { return reads_; }
  [[nodiscard]] http::handler& handler() { return *api_; }

 private:
  [[nodiscard]] service::cache_report cache_state() const;
  net::task<> forget_inventories();

  /// The services that need the ledger.
  struct services {
    services(ledger::ledger& lanes, service::sold_out_memory& sold_out, std::vector<service::inventory_reader*> readers,
             pg::pool& reads)
        : wallet{lanes, sold_out}, inventory{lanes, std::move(readers)}, outcomes{lanes, reads} {}
    service::wallet wallet;
    service::inventory inventory;
    service::outcomes outcomes;
  };

  const settings& settings_;
  service::sold_out_memory& sold_out_;
  api::upload_slots uploads_;  ///< before the context, whose coroutines give slots back
  asio::io_context context_{1};
  std::optional<asio::executor_work_guard<net::executor>> busy_{context_.get_executor()};
  net::task_group tasks_{context_.get_executor()};
  pg::pool reads_;
  std::unique_ptr<redis::client> redis_;  ///< null: no cache is configured
  cache::inventory_cache inventory_cache_;
  service::users users_{reads_};
  service::catalogue catalogue_;
  service::history history_{reads_};
  service::statements statements_{reads_};
  service::inventory_reader reader_;
  service::analytics analytics_;
  service::health health_;
  service::keys keys_;
  auth::authenticator credentials_;
  api::gate gate_;
  std::optional<services> services_;
  std::unique_ptr<api::dispatch> api_;
};

}  // namespace coffer::app
