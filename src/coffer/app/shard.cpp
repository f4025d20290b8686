#include "coffer/app/shard.hpp"

#include <fmt/format.h>

#include "coffer/api/render.hpp"
#include "coffer/app/settings_values.hpp"
#include "coffer/base/log.hpp"

namespace coffer::app {

namespace {

pg::pool_limits pool_limits(const settings& s) {
  pg::pool_limits limits;
  limits.size = s.read_pool_size;
  limits.max_waiting = s.read_pool_waiting;
  limits.acquire_timeout = s.database_acquire_timeout;
  return limits;
}

std::unique_ptr<redis::client> make_redis(net::executor ex, const settings& s) {
  if (s.redis_url.empty()) {
    return nullptr;
  }
  redis::options how{s.redis_url};
  how.connect_timeout = s.redis_connect_timeout;
  how.command_timeout = s.redis_command_timeout;
  how.breaker_failures = s.redis_breaker_failures;
  how.breaker_open = s.redis_breaker_pause;
  return std::make_unique<redis::client>(std::move(ex), std::move(how));
}

cache::inventory_cache_options inventory_options(const settings& s) {
  cache::inventory_cache_options how{s.redis_prefix};
  how.ttl = s.cache_ttl;
  return how;
}

cache::popular_cache_options popular_options(const settings& s) {
  cache::popular_cache_options how{s.redis_prefix};
  how.ttl = s.popular_ttl;
  return how;
}

auth::authenticator_options credential_options(const settings& s) {
  auth::authenticator_options how;
  how.required = s.auth == auth_mode::required;
  how.test_keys = s.test_keys;
  how.tokens.issuer = s.jwt_issuer;
  how.tokens.audience = s.jwt_audience;
  how.tokens.leeway = s.jwt_leeway;
  return how;
}

}  // namespace

pg::options database_options(const settings& s) {
  pg::options how{s.database_url};
  how.connect_timeout = s.database_connect_timeout;
  how.statement_timeout = s.database_statement_timeout;
  how.lock_timeout = s.database_lock_timeout;
  how.prepared = s.prepared;
  return how;
}

shard::shard(const settings& s, const std::atomic<bool>& draining, service::sold_out_memory& sold_out,
             limit::limiter& limits, service::database_watch& database_looks, std::function<void()> keys_changed)
    : settings_{s},
      sold_out_{sold_out},
      reads_{context_.get_executor(), "reads", database_options(s), pool_limits(s)},
      redis_{make_redis(context_.get_executor(), s)},
      inventory_cache_{context_.get_executor(), redis_.get(), inventory_options(s)},
      catalogue_{reads_, sold_out, [this] { tasks_.spawn("forget renamed product", forget_inventories()); }},
      reader_{context_.get_executor(), reads_, inventory_cache_, api::render_inventory},
      analytics_{context_.get_executor(), reads_, redis_.get(), popular_options(s), api::render_best_sellers},
      health_{database_looks, [this] { return cache_state(); }, draining},
      keys_{reads_, std::move(keys_changed)},
      credentials_{credential_options(s)},
      gate_{credentials_, limits, keys_} {}

service::cache_report shard::cache_state() const {
  if (!redis_) {
    return {"off", {}};
  }
  if (redis_->available()) {
    return {"up", {}};
  }
  const std::string& why = redis_->refusal();
  return {"down", why.empty() ? std::string{} : "Redis cannot be used: " + why};
}

net::task<> shard::forget_inventories() {
  const std::string epoch = fmt::format("renamed-{}", now().time_since_epoch().count());
  if (!co_await inventory_cache_.reset(epoch)) {
    log::warn("cached inventories could not be dropped", {{"remedy", "they show the old name until their TTL"}});
  }
}

void shard::open(ledger::ledger& lanes, std::vector<service::inventory_reader*> readers,
                 const api::documents& described) {
  services_.emplace(lanes, sold_out_, std::move(readers), reads_);
  api::context with{.users = users_,
                    .catalogue = catalogue_,
                    .wallet = services_->wallet,
                    .history = history_,
                    .inventory = services_->inventory,
                    .outcomes = services_->outcomes,
                    .statements = statements_,
                    .analytics = analytics_,
                    .health = health_,
                    .keys = keys_,
                    .gate = gate_,
                    .max_deposit = settings_.max_deposit,
                    .described = described,
                    .tasks = tasks_,
                    .uploads = uploads_,
                    .held = {settings_.spool_directory, settings_.max_upload_answers}};
  api::dispatch_options how;
  how.slow = settings_.slow_request;
  if (!settings_.cors_origins.empty()) {
    how.origins = api::cors::parse(settings_.cors_origins).value();
  }
  if (settings_.auth == auth_mode::off) {
    how.hosts = api::host_guard{parse_listen_address(settings_.listen).value().host, settings_.allowed_hosts};
  }
  api_ = std::make_unique<api::dispatch>(std::move(with), std::move(how));
}

void shard::run() { context_.run(); }

net::task<> shard::close(net::deadline until, net::deadline lanes_end) {
  const bool ended = co_await tasks_.join(until);
  if (!ended) {
    // A lane ends what it has begun, by the deadline of its last request. What that changes Redis must still be told.
    co_await tasks_.join(lanes_end);
  }
  inventory_cache_.stop();
  if (redis_) {
    co_await redis_->close();
  }
  co_await reads_.close(until);
  busy_.reset();
}

}  // namespace coffer::app
