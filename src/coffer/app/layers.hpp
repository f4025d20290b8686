// What a serving thread is made of, layer by layer. Each layer is built whole out of those below it and ends before
// them; the ledger, which writes on the connections of all threads, comes between worker and front.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "coffer/api/dispatch.hpp"
#include "coffer/api/render.hpp"
#include "coffer/app/database_options.hpp"
#include "coffer/app/settings.hpp"
#include "coffer/app/settings_values.hpp"
#include "coffer/base/log.hpp"
#include "coffer/net/task_group.hpp"

namespace coffer::app {

/// A thread's event loop, which turns until `busy` is reset and nothing is left to do.
struct event_loop {
  api::upload_slots uploads;  ///< before the context, whose coroutines give slots back
  asio::io_context context{1};
  asio::executor_work_guard<net::executor> busy{context.get_executor()};
  net::task_group tasks{context.get_executor()};

  [[nodiscard]] net::executor executor() { return context.get_executor(); }
};

/// What a thread is connected to.
struct client_layer {
  client_layer(event_loop& on, const settings& s)
      : reads{on.executor(), "reads", database_options(s), pool_limits(s)}, redis{make_redis(on.executor(), s)} {}

  pg::pool reads;
  std::unique_ptr<redis::client> redis;  ///< null: no cache is configured

 private:
  static pg::pool_limits pool_limits(const settings& s) {
    pg::pool_limits limits;
    limits.size = s.read_pool_size;
    limits.max_waiting = s.read_pool_waiting;
    limits.acquire_timeout = s.database_acquire_timeout;
    return limits;
  }

  static std::unique_ptr<coffer::redis::client> make_redis(net::executor ex, const settings& s) {
    if (s.redis_url.empty()) {
      return nullptr;
    }
    coffer::redis::options how{s.redis_url};
    how.connect_timeout = s.redis_connect_timeout;
    how.command_timeout = s.redis_command_timeout;
    how.breaker_failures = s.redis_breaker_failures;
    how.breaker_open = s.redis_breaker_pause;
    return std::make_unique<coffer::redis::client>(std::move(ex), std::move(how));
  }
};

/// What a thread keeps in memory or in Redis: the inventories of the users whose lanes it owns, and credentials.
struct cache_layer {
  cache_layer(event_loop& on, client_layer& with, const settings& s)
      : inventories{on.executor(), with.redis.get(), inventory_options(s)},
        inventory_reader{on.executor(), with.reads, inventories, api::render_inventory},
        credentials{credential_options(s)} {}

  cache::inventory_cache inventories;
  service::inventory_reader inventory_reader;
  auth::authenticator credentials;

 private:
  static cache::inventory_cache_options inventory_options(const settings& s) {
    cache::inventory_cache_options how{s.redis_prefix};
    how.ttl = s.cache_ttl;
    return how;
  }

  static auth::authenticator_options credential_options(const settings& s) {
    auth::authenticator_options how;
    how.required = s.auth == auth_mode::required;
    how.test_keys = s.test_keys;
    how.tokens.issuer = s.jwt_issuer;
    how.tokens.audience = s.jwt_audience;
    how.tokens.leeway = s.jwt_leeway;
    return how;
  }
};

/// The layers of a thread on which lanes are built. Built and destroyed on the main thread while no context runs.
struct worker {
  explicit worker(const settings& s) : clients{loop, s}, caches{loop, clients, s} {}

  /// Ends what was begun: waits for background work and lent connections until `until`, and for lanes with a batch in
  /// flight until that is over, at most until `lanes_end`. On this thread.
  net::task<> close(net::deadline until, net::deadline lanes_end) {
    const bool ended = co_await loop.tasks.join(until);
    if (!ended) {
      // A lane ends what it has begun, by the deadline of its last request. What that changes Redis must still be told.
      co_await loop.tasks.join(lanes_end);
    }
    caches.inventories.stop();
    if (clients.redis) {
      co_await clients.redis->close();
    }
    co_await clients.reads.close(until);
    loop.busy.reset();
  }

  event_loop loop;
  client_layer clients;
  cache_layer caches;
};

/// What all threads share.
struct shared_parts {
  const std::atomic<bool>& draining;
  service::database_watch& database;
  service::sold_out_memory& sold_out;
  limit::limiter& limits;
  ledger::ledger& lanes;
  net::outgoing& outgoing;
  std::vector<service::inventory_reader*> readers;  ///< by thread number
  std::function<void()> keys_changed;               ///< called when a server key was made or revoked
  const api::documents& described;
};

/// What the API asks for.
struct service_layer {
  service_layer(worker& on, const shared_parts& with, const settings& s)
      : users{on.clients.reads},
        catalogue{on.clients.reads, with.sold_out,
                  [&on] { on.loop.tasks.spawn("forget renamed product", forget_inventories(on.caches.inventories)); }},
        wallet{with.lanes, with.sold_out},
        history{on.clients.reads},
        inventory{with.lanes, with.readers},
        outcomes{with.lanes, on.clients.reads},
        account_statements{on.clients.reads},
        analytics{on.clients.reads, on.clients.redis.get(), popular_options(s), api::render_best_sellers},
        health{with.database, [redis = on.clients.redis.get()] { return state_of(redis); }, with.draining},
        keys{on.clients.reads, with.keys_changed},
        events{on.loop.executor(), on.clients.reads, on.loop.tasks},
        webhooks{on.clients.reads, with.outgoing, s.webhook_allow_private} {}

  service::users users;
  service::catalogue catalogue;
  service::wallet wallet;
  service::history history;
  service::inventory inventory;
  service::outcomes outcomes;
  service::account_statements account_statements;
  service::analytics analytics;
  service::health health;
  service::keys keys;
  service::events events;
  service::webhooks webhooks;

 private:
  static cache::popular_cache_options popular_options(const settings& s) {
    cache::popular_cache_options how{s.redis_prefix};
    how.ttl = s.popular_ttl;
    return how;
  }

  static net::task<> forget_inventories(cache::inventory_cache& cached) {
    const std::string epoch = fmt::format("renamed-{}", now().time_since_epoch().count());
    if (!co_await cached.reset(epoch)) {
      log::warn("cached inventories could not be dropped", {{"remedy", "they show the old name until their TTL"}});
    }
  }

  static service::cache_report state_of(const redis::client* cache) {
    if (cache == nullptr) {
      return {"off", {}};
    }
    if (cache->available()) {
      return {"up", {}};
    }
    const std::string& why = cache->refusal();
    return {"down", why.empty() ? std::string{} : "Redis cannot be used: " + why};
  }
};

/// What answers requests.
struct api_layer {
  api_layer(worker& on, service_layer& by, const shared_parts& with, const settings& s)
      : gate{on.caches.credentials, with.limits, by.keys},
        dispatch{context_of(on, by, gate, with, s), dispatch_options_of(s)} {}

  api::gate gate;
  api::dispatch dispatch;

 private:
  static api::context context_of(worker& on, service_layer& by, api::gate& before, const shared_parts& with,
                                 const settings& s) {
    return {.users = by.users,
            .catalogue = by.catalogue,
            .wallet = by.wallet,
            .history = by.history,
            .inventory = by.inventory,
            .outcomes = by.outcomes,
            .account_statements = by.account_statements,
            .analytics = by.analytics,
            .health = by.health,
            .keys = by.keys,
            .events = by.events,
            .webhooks = by.webhooks,
            .gate = before,
            .max_deposit = s.max_deposit,
            .described = with.described,
            .tasks = on.loop.tasks,
            .uploads = on.loop.uploads,
            .held = {s.spool_directory, s.max_upload_answers}};
  }

  static api::dispatch_options dispatch_options_of(const settings& s) {
    api::dispatch_options how;
    how.slow = s.slow_request;
    if (!s.cors_origins.empty()) {
      how.origins = api::cors::parse(s.cors_origins).value();
    }
    if (s.auth == auth_mode::off) {
      how.hosts = api::host_guard{parse_listen_address(s.listen).value().host, s.allowed_hosts};
    }
    return how;
  }
};

/// The layers of a thread above the ledger.
struct front {
  front(worker& on, const shared_parts& with, const settings& s) : services{on, with, s}, api{on, services, with, s} {}

  service_layer services;
  api_layer api;
};

}  // namespace coffer::app
