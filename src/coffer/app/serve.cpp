// `coffer serve`, the composition root: what the process consists of, how it begins and how it ends.
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "coffer/api/openapi/document.hpp"
#include "coffer/app/admin.hpp"
#include "coffer/app/commands.hpp"
#include "coffer/app/daily_reset.hpp"
#include "coffer/app/descriptors.hpp"
#include "coffer/app/event_retention.hpp"
#include "coffer/app/key_refresh.hpp"
#include "coffer/app/lanes.hpp"
#include "coffer/app/layers.hpp"
#include "coffer/app/sales_folding.hpp"
#include "coffer/app/schema_state.hpp"
#include "coffer/app/service_manager.hpp"
#include "coffer/app/stock_gauges.hpp"
#include "coffer/app/token_keys.hpp"
#include "coffer/app/version.hpp"
#include "coffer/app/webhook_relay.hpp"
#include "coffer/base/clock.hpp"
#include "coffer/base/metrics.hpp"
#include "coffer/http/server.hpp"
#include "coffer/json/reader.hpp"
#include "coffer/limit/exchange.hpp"
#include "coffer/net/address.hpp"
#include "coffer/net/outgoing.hpp"
#include "coffer/net/tls.hpp"
#include "coffer/pg/attempts.hpp"
#include "coffer/pg/pooling.hpp"
#include "coffer/service/database_turns.hpp"

namespace coffer::app {

namespace {

/// The parts of a regular end, one behind the other. deploy/coffer.service and compose.yaml give the default settings
/// that long and some.
struct stop_budget {
  explicit stop_budget(const settings& s)
      : requests{s.drain_timeout},
        lanes{std::chrono::duration_cast<std::chrono::milliseconds>(s.http.request_time) + std::chrono::seconds{2}} {}

  std::chrono::milliseconds requests;    ///< connections and what they asked for
  std::chrono::milliseconds work{3000};  ///< background work gets a moment, whatever the drain took
  std::chrono::milliseconds lanes;       ///< to their last request's deadline, another attempt to settle it, a rollback
  std::chrono::milliseconds rest{3000};  ///< the cache, the pools, the admin listener, the log

  [[nodiscard]] std::chrono::milliseconds whole() const { return requests + work + lanes + rest; }
};

/// Raises the soft limit of open files to the hard one, and gives it.
std::size_t open_files() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) {
    return std::numeric_limits<std::size_t>::max();
  }
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  ::getrlimit(RLIMIT_NOFILE, &files);
  return static_cast<std::size_t>(files.rlim_cur);
}

http::limits http_limits(const settings& s) {
  http::limits l = s.http;
  const std::size_t files = open_files();
  const std::size_t reserved = reserved_descriptors(s, files);
  l.connections = std::min(l.connections, files > reserved + 16 ? files - reserved : 16);
  return l;
}

limit::limiter_options limiter_options(const settings& s) {
  limit::limiter_options how;
  const auto of = [&how](limit::route_class c) -> limit::policies& {
    return how.by_class[static_cast<std::size_t>(c)];
  };
  of(limit::route_class::funds) = s.limit_funds;
  of(limit::route_class::purchase) = s.limit_purchase;
  of(limit::route_class::use) = s.limit_use;
  of(limit::route_class::read) = s.limit_read;
  of(limit::route_class::credentials) = s.limit_credentials;
  how.shared = !s.redis_url.empty();
  std::random_device device;
  how.seed = std::uint64_t{device()} << 32U | device();
  return how;
}

http::client_rules client_rules(const settings& s, std::size_t connections) {
  http::client_rules rules;
  rules.per_address = s.max_connections_per_address.value_or(std::max<std::size_t>(1, connections / 2));
  rules.proxies = net::address_set::parse(s.trusted_proxies).value_or(net::address_set{});
  return rules;
}

/// Of the process's environment, which nobody changes.
std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): before any thread starts
  return value == nullptr ? std::nullopt : std::optional<std::string>{value};
}

/// Tells the log, the service manager and coffer_ready how the process is.
class announcer {
 public:
  announcer(const settings& s, const std::atomic<bool>& draining) : settings_{s}, draining_{draining} {}

  [[nodiscard]] const service_manager& manager() const { return manager_; }

  /// Says where the server listens.
  void listening(std::uint16_t port, std::uint16_t admin_port) {
    address_ = bound_address(settings_.listen, port);
    const std::string admin_address =
        settings_.admin_listen.empty() ? std::string{} : bound_address(settings_.admin_listen, admin_port);
    log::info("listening",
              {{"address", std::string_view{address_}},
               {"admin_address", admin_address.empty() ? std::nullopt : std::optional{std::string_view{admin_address}}},
               {"auth", settings_.auth == auth_mode::off ? "off" : "required"},
               log::field{"threads", settings_.threads}.as(log::in_text::absent),
               log::field{"lanes", settings_.lanes}.as(log::in_text::absent)});
    if (settings_.auth == auth_mode::off) {
      const auto at = parse_listen_address(settings_.listen);
      const bool beyond = !at || !at->is_loopback();
      log::write(beyond ? log::level::warn : log::level::info, "requests need no credentials",
                 {{"reachable_from", beyond ? "other machines" : "this machine alone"},
                  {"remedy", "--auth required, and `coffer key create`"}});
    }
    // Ready for the manager: that the database is not there is no reason to start this anew.
    manager_.tell(fmt::format("READY=1\nSTATUS=Listening on {}, looking at the database\n", address_));
  }

  /// After each look at the database: what has turned is said once, here and to the manager.
  void database_looked_at(const service::database_state& found) {
    ready_.set(found.can_serve() && !draining_ ? 1 : 0);
    const pg::failed_attempts::counted failed = pg::failed_attempts::get().take();
    const std::string_view obstacle = found.can_serve() ? "" : found.answers ? found.schema : "no answer";
    const auto turn = turns_.take(obstacle, failed.attempts, std::chrono::steady_clock::now());
    const auto attempts = turn.failed > 0 ? std::optional{turn.failed} : std::nullopt;
    const auto lasted = turn.lasted.count() > 0 ? std::optional{turn.lasted} : std::nullopt;
    switch (turn.what) {
      case service::database_turns::kind::nothing:
        return;
      case service::database_turns::kind::serves:
        log::info(
            "serving",
            {{"database", "up"}, {"schema", found.schema}, {"trouble_ms", lasted}, {"failed_attempts", attempts}});
        if (!draining_) {
          manager_.tell(fmt::format("STATUS=Serving {}\n", address_));
        }
        return;
      case service::database_turns::kind::cannot_serve: {
        const auto detail = found.detail.empty() ? std::nullopt : std::optional{std::string_view{found.detail}};
        log::error("cannot serve", {{"database", found.answers ? "up" : "down"},
                                    {"schema", found.schema},
                                    {"message", std::string_view{found.message}},
                                    {"detail", detail},
                                    {"failed_attempts", attempts}});
        if (!draining_) {
          manager_.tell(fmt::format("STATUS=Cannot serve: {}\n", found.message));
        }
        return;
      }
      case service::database_turns::kind::attempts_fail:
        log::warn("attempts at the database fail",
                  {{"failed_attempts", attempts}, {"message", std::string_view{failed.last}}});
        return;
      case service::database_turns::kind::attempts_succeed:
        log::info("attempts at the database succeed", {{"trouble_ms", lasted}, {"failed_attempts", attempts}});
        return;
    }
  }

  /// The end has begun.
  void draining(int signal) {
    log::info("draining", {{"signal", signal}});
    ready_.set(0);
    // As long as a regular end may take, in place of TimeoutStopSec= where that is shorter.
    const auto budget = std::chrono::microseconds{stop_budget{settings_}.whole()};
    manager_.tell(
        fmt::format("STOPPING=1\nSTATUS=Answering what was accepted\nEXTEND_TIMEOUT_USEC={}\n", budget.count()));
  }

 private:
  static std::string bound_address(const std::string& configured, std::uint16_t port) {
    return fmt::format("{}:{}", configured.substr(0, configured.rfind(':')), port);
  }

  const settings& settings_;
  const std::atomic<bool>& draining_;
  service_manager manager_{environment};
  service::database_turns turns_;
  metrics::gauge ready_ =
      metrics::make_gauge("coffer_ready", "Whether the process can serve: 1 as long as /readyz is 200");
  std::string address_;  ///< of the API
};

/// Whether a database is of use to this program, for the watch.
class database_check {
 public:
  database_check(const settings& s, net::executor ex) : settings_{s}, executor_{std::move(ex)} {}

  net::task<service::schema_finding> examine(pg::connection& db, net::deadline until) {
    service::schema_finding found;
    found.state = "unfit";
    found.message = encoding_problem(db);
    if (found.message.empty() && co_await lends_sessions(until)) {
      found.message = shared_sessions;
    }
    if (found.message.empty()) {
      schema_report report = co_await check_schema(db, until);
      found.state = to_string(report.state);
      found.message = std::move(report.message);
    }
    co_return found;
  }

 private:
  /// Whether a pooler in transaction mode is in between: then nothing that is prepared or set in a session stays.
  net::task<bool> lends_sessions(net::deadline until) {
    constexpr std::chrono::seconds look_counts{60};
    if (!settings_.prepared || std::chrono::steady_clock::now() < pooling_known_until_) {
      co_return false;
    }
    pg::options how = database_options(settings_);
    const pg::pooling found = co_await pg::find_pooling(executor_, std::move(how), until);
    if (found == pg::pooling::transaction) {
      co_return true;
    }
    pooling_known_until_ = std::chrono::steady_clock::now() + look_counts;
    co_return false;
  }

  const settings& settings_;
  net::executor executor_;
  std::chrono::steady_clock::time_point pooling_known_until_{};
};

/// The limits of all threads and, where there is a Redis, what shares them with other processes.
struct limit_layer {
  limit_layer(worker& on, const settings& s)
      : limiter{limiter_options(s), [this] { sharing->wake(); }},
        sharing{on.clients.redis
                    ? std::make_unique<limit::exchange>(on.loop.executor(), *on.clients.redis, limiter, s.redis_prefix)
                    : nullptr} {}

  limit::limiter limiter;                    ///< wakes `sharing` only where its options say that there is one
  std::unique_ptr<limit::exchange> sharing;  ///< null: there is no Redis
};

/// What listens: the API, and the metrics for operators.
struct listener_layer {
  listener_layer(const settings& s, std::vector<http::shard> api_shards, http::shard admin_shard,
                 inherited_sockets given, std::shared_ptr<const net::tls_context> tls)
      : limits{http_limits(s)},
        api{"public", std::move(api_shards), limits, client_rules(s, limits.connections)},
        admin{"admin", std::vector{std::move(admin_shard)}, admin_limits()} {
    api.secure(std::move(tls));
    listen(api, std::move(given.api), s.listen);
    listen(admin, std::move(given.admin), s.admin_listen);
  }

  http::limits limits;
  http::server api;
  http::server admin;

 private:
  static http::limits admin_limits() {
    http::limits l;
    l.connections = admin_connections;
    return l;
  }

  static void listen(http::server& on, net::owned_fd given, const std::string& address) {
    if (given.get() >= 0) {
      on.listen(std::move(given));
    } else if (!address.empty()) {
      on.listen(address);
    }
  }
};

/// What threads are made of before there is a ledger.
std::deque<worker> make_workers(const settings& s) {
  std::deque<worker> workers;
  for (int i = 0; i < s.threads; ++i) {
    workers.emplace_back(s);
  }
  return workers;
}

/// The lanes, dealt out to the threads in turn.
std::vector<ledger::ledger::owned_lane> make_lanes(std::deque<worker>& workers, const settings& s) {
  std::vector<ledger::ledger::owned_lane> lanes;
  const auto count = static_cast<std::size_t>(s.lanes);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t thread = i % workers.size();
    worker& on = workers[thread];
    ledger::lane_options how;
    how.database = database_options(s);
    how.max_batch = s.max_batch;
    how.queue_limit = s.lane_queue;
    how.slow = s.slow_request;
    how.number = static_cast<int>(i);
    how.lane_key = draw_lane_key(i, count);
    const auto tell_cache = [cached = &on.caches.inventories](std::span<const ledger::user_version> users,
                                                              bool certain) {
      certain ? cached->invalidate(users) : cached->invalidate_in_doubt(users);
    };
    lanes.push_back(
        {on.loop.executor(), thread, std::make_unique<ledger::lane>(on.loop.executor(), std::move(how), tell_cache)});
  }
  return lanes;
}

std::deque<front> make_fronts(std::deque<worker>& workers, const shared_parts& with, const settings& s) {
  std::deque<front> fronts;
  for (worker& each : workers) {
    fronts.emplace_back(each, with, s);
  }
  return fronts;
}

std::vector<service::inventory_reader*> readers_of(std::deque<worker>& workers) {
  std::vector<service::inventory_reader*> readers;
  readers.reserve(workers.size());
  for (worker& each : workers) {
    readers.push_back(&each.caches.inventory_reader);
  }
  return readers;
}

std::vector<http::shard> shards_of(std::deque<worker>& workers, std::deque<front>& fronts) {
  std::vector<http::shard> shards;
  shards.reserve(workers.size());
  for (std::size_t i = 0; i < workers.size(); ++i) {
    shards.emplace_back(workers[i].loop.executor(), fronts[i].api.dispatch);
  }
  return shards;
}

/// The certificate of the API; null: there is none. Throws std::runtime_error when one of the files is not what it must
/// be.
std::shared_ptr<const net::tls_context> load_certificate(const settings& s) {
  if (s.tls_certificate.empty()) {
    return nullptr;
  }
  auto tls = net::tls_context::for_server(s.tls_certificate, s.tls_key);
  const auto expires = tls->expires_at();
  const std::string when = to_rfc3339(expires);
  metrics::make_gauge("coffer_tls_certificate_not_after_timestamp_seconds",
                      "When the first certificate of the chain in use expires")
      .set(static_cast<double>(expires.time_since_epoch().count()));
  const log::level level = expires <= now() ? log::level::warn : log::level::info;
  log::write(level, "certificate loaded", {{"expires_at", std::string_view{when}}});
  return tls;
}

/// The process while it serves, layer by layer: what each member needs is above it.
class serving {
 public:
  serving(const settings& s, inherited_sockets given)
      : settings_{s},
        workers_{make_workers(s)},
        limits_{first(), s},
        keys_{first().loop.executor(), first().clients.reads, s.key_refresh,
              [this](const std::shared_ptr<const auth::key_set>& keys) { publish_keys(keys); }},
        lanes_{make_lanes(workers_, s)},
        fronts_{make_fronts(workers_,
                            {.draining = draining_,
                             .database = database_,
                             .sold_out = sold_out_,
                             .limits = limits_.limiter,
                             .lanes = lanes_,
                             .outgoing = outgoing_,
                             .readers = readers_of(workers_),
                             .keys_changed = [this] { keys_.wake(); },
                             .described = described_},
                            s)},
        reset_{first().loop.executor(), first().clients.reads, first().caches.inventories, s.cache_reset_at},
        stocks_{first().loop.executor(), first().clients.reads, s.stock_refresh},
        folding_{first().loop.executor(), first().clients.reads},
        retention_{first().loop.executor(), first().clients.reads, s.event_retention},
        relay_{first().loop.executor(), first().clients.reads, fronts_.front().services.events, outgoing_,
               first().loop.tasks,      s.event_retention},
        listeners_{s, shards_of(workers_, fronts_), http::shard{control_.get_executor(), admin_}, std::move(given),
                   load_certificate(s)} {}

  int run() {
    load_token_keys();
    if (!settings_.webhook_ca.empty()) {
      // Throws when it is not what it must be, which would else show at the first delivery.
      net::tls_context::for_client(
          {.name = "localhost", .authorities = settings_.webhook_ca, .certificate = {}, .key = {}});
    }
    for (auto& each : lanes_.lanes()) {
      workers_[each.thread].loop.tasks.spawn("lane", run_lane(*each.writer));
    }
    net::task_group& jobs = first().loop.tasks;
    jobs.spawn("daily reset", reset_.run());
    jobs.spawn("stock gauges", stocks_.run());
    jobs.spawn("sales folding", folding_.run());
    jobs.spawn("event retention", retention_.run());
    if (settings_.relay) {
      jobs.spawn("webhook relay", relay_.run());
    }
    if (settings_.auth == auth_mode::required) {
      jobs.spawn("key refresh", keys_.run());
    }
    if (limits_.sharing) {
      jobs.spawn("limit exchange", limits_.sharing->run());
    }
    wait_for_signal();
    wait_for_reload();
    announcer_.listening(listeners_.api.port(), listeners_.admin.port());
    tasks_.spawn("database watch", database_.run());
    if (alive_) {
      tasks_.spawn("watchdog", alive_->run());
    }
    std::vector<std::jthread> threads;
    threads.reserve(workers_.size());
    for (worker& each : workers_) {
      threads.emplace_back([&each] { each.loop.context.run(); });
    }
    control_.run();
    threads.clear();  // joins
    log::info("stopped", {{"clean", clean_}});
    log::flush();
    return clean_ ? exit_ok : exit_failed;
  }

 private:
  /// The thread that has the jobs besides its requests.
  worker& first() { return workers_.front(); }

  void publish_keys(const std::shared_ptr<const auth::key_set>& keys) {
    for (worker& each : workers_) {
      asio::post(each.loop.executor(), [to = &each.caches.credentials, keys] { to->ring().replace(keys); });
    }
  }

  /// Throws std::runtime_error when the file is not what it must be.
  void load_token_keys() {
    if (settings_.jwt_keys.empty()) {
      return;
    }
    const auto keys = std::make_shared<const auth::jwt_keys>(read_token_keys(settings_));
    for (worker& each : workers_) {
      asio::post(each.loop.executor(), [to = &each.caches.credentials, keys] { to->replace_token_keys(keys); });
    }
    for (const std::string& why : keys->skipped()) {
      log::warn("token key skipped",
                {{"file", std::string_view{settings_.jwt_keys}}, {"reason", std::string_view{why}}});
    }
    log::info("token keys loaded", {{"keys", keys->size()}});
  }

  /// New connections have the new certificate.
  void reload_certificate() {
    if (const auto tls = load_certificate(settings_)) {
      asio::post(first().loop.executor(), [this, tls] { listeners_.api.secure(tls); });
    }
  }

  template <typename Load>
  static void reload(std::string_view complaint, Load load) {
    try {
      load();
    } catch (const std::exception& e) {
      log::error(complaint, {{"message", e.what()},
                             {"remedy", "what was in force stays so; correct the file, send SIGHUP again"}});
    }
  }

  /// SIGHUP: what comes from files is read again; what cannot be read stays as it is.
  void wait_for_reload() {
    hangup_.async_wait([this](asio::error_code failed, int) {
      if (failed) {
        return;
      }
      reload("token keys could not be reloaded", [this] { load_token_keys(); });
      reload("certificate could not be reloaded", [this] { reload_certificate(); });
      wait_for_reload();
    });
  }

  void wait_for_signal() {
    signals_.async_wait([this](asio::error_code failed, int number) {
      if (failed) {
        return;
      }
      if (draining_.exchange(true)) {
        log::warn("second signal, ending now", {{"signal", number}});
        log::flush();
        std::_Exit(130);
      }
      announcer_.draining(number);
      tasks_.spawn("stop", stop());
      wait_for_signal();
    });
  }

  /// Requests first, then what they use: listeners and connections, lanes, pools.
  net::task<> stop() {
    const stop_budget budget{settings_};
    const net::deadline until = net::deadline_in(budget.requests);
    database_.stop();
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      asio::post(workers_[i].loop.executor(), [told = &fronts_[i].services.events] { told->stop(); });
    }
    clean_ = co_await asio::co_spawn(first().loop.executor(), listeners_.api.stop(until), net::use_task);
    for (auto& each : lanes_.lanes()) {
      asio::post(each.executor, [writer = each.writer.get()] { writer->stop(); });
    }
    asio::post(first().loop.executor(), [this] {
      reset_.stop();
      stocks_.stop();
      folding_.stop();
      retention_.stop();
      relay_.stop();
      outgoing_.stop();
      keys_.stop();
      if (limits_.sharing) {
        limits_.sharing->stop();
      }
    });
    // Whatever the drain took, background work gets a moment to end. All threads have the same deadlines.
    const net::deadline last = std::max(until, net::deadline_in(budget.work));
    const net::deadline lanes_end = last + budget.lanes;
    for (worker& each : workers_) {
      co_await asio::co_spawn(each.loop.executor(), each.close(last, lanes_end), net::use_task);
    }
    co_await database_.close(net::deadline_in(std::chrono::seconds{1}));
    co_await listeners_.admin.stop(net::deadline_in(std::chrono::seconds{1}));
    signals_.cancel();
    hangup_.cancel();
    if (alive_) {
      alive_->stop();
    }
  }

  /// Nothing where no manager waits for signs of life. A quarter of what it waits, so that a sign may be late or lost.
  std::unique_ptr<loop_watch> make_watch() {
    const auto waits = announcer_.manager().watchdog();
    if (!waits) {
      return nullptr;
    }
    std::vector<net::executor> loops;
    loops.reserve(workers_.size());
    for (worker& each : workers_) {
      loops.push_back(each.loop.executor());
    }
    return std::make_unique<loop_watch>(control_.get_executor(), std::move(loops), *waits / 4,
                                        [this] { announcer_.manager().tell("WATCHDOG=1"); });
  }

  const settings& settings_;
  const api::documents described_{{.version = version_text,
                                   .max_deposit = settings_.max_deposit,
                                   .secured = settings_.auth == auth_mode::required}};
  std::atomic<bool> draining_ = false;
  bool clean_ = false;  ///< the drain was complete

  // The main thread's.
  asio::io_context control_{1};
  net::task_group tasks_{control_.get_executor()};
  asio::signal_set signals_{control_, SIGINT, SIGTERM};
  asio::signal_set hangup_{control_, SIGHUP};
  announcer announcer_{settings_, draining_};
  database_check check_{settings_, control_.get_executor()};
  service::database_watch database_{
      control_.get_executor(), database_options(settings_),
      [this](pg::connection& db, net::deadline until) { return check_.examine(db, until); },
      [this](const service::database_state& found) { announcer_.database_looked_at(found); }};

  // What serves.
  service::sold_out_memory sold_out_;
  std::deque<worker> workers_;
  limit_layer limits_;
  key_refresh keys_;
  ledger::ledger lanes_;
  net::outgoing outgoing_{{.allow_private = settings_.webhook_allow_private,
                           .ca_file = settings_.webhook_ca,
                           .connections = webhook_connections(open_files())}};
  std::deque<front> fronts_;
  daily_reset reset_;
  stock_gauges stocks_;
  sales_folding folding_;
  event_retention retention_;
  webhook_relay relay_;
  std::unique_ptr<loop_watch> alive_ = make_watch();
  admin admin_;
  listener_layer listeners_;
};

}  // namespace

int run(const serve_command& asked) {
  const settings& s = asked.how;
  // Whoever takes the log may go; lines that cannot be written are counted (base/log).
  std::signal(SIGPIPE, SIG_IGN);  // NOLINT(cert-err33-c): it cannot fail for these values
  log::configure(s.log_level, s.log_format);
  json::limit_depth(s.max_json_depth);
  try {
    inherited_sockets given = take_inherited_sockets(environment);
    settings effective = s;
    if (given.api.get() >= 0) {
      effective.listen = net::bound_address(given.api.get());
      if (const auto allowed = check_listen(effective); !allowed) {
        throw std::runtime_error{allowed.error()};
      }
    }
    if (given.admin.get() >= 0) {
      effective.admin_listen = net::bound_address(given.admin.get());
    }
    serving process{effective, std::move(given)};
    return process.run();
  } catch (const std::exception& e) {
    log::error("could not start", {{"message", e.what()}});
    log::flush();
    return 1;
  }
}

}  // namespace coffer::app
