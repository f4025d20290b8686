#include "coffer/app/serve.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <random>
#include <thread>

#include <fmt/format.h>

#include "coffer/api/openapi/document.hpp"
#include "coffer/app/admin.hpp"
#include "coffer/app/daily_reset.hpp"
#include "coffer/app/descriptors.hpp"
#include "coffer/app/inherited_sockets.hpp"
#include "coffer/app/key_refresh.hpp"
#include "coffer/app/migrate_state.hpp"
#include "coffer/app/notify.hpp"
#include "coffer/app/settings_values.hpp"
#include "coffer/app/shard.hpp"
#include "coffer/app/stock_gauges.hpp"
#include "coffer/app/stop_budget.hpp"
#include "coffer/app/token_keys.hpp"
#include "coffer/app/version.hpp"
#include "coffer/base/clock.hpp"
#include "coffer/base/log.hpp"
#include "coffer/base/metrics.hpp"
#include "coffer/http/server.hpp"
#include "coffer/json/reader.hpp"
#include "coffer/limit/exchange.hpp"
#include "coffer/net/address.hpp"
#include "coffer/net/tls.hpp"
#include "coffer/pg/attempts.hpp"
#include "coffer/pg/pooling.hpp"
#include "coffer/service/database_turns.hpp"

namespace coffer::app {

namespace {

/// Raises the soft limit of open files to the hard one and gives the number of client connections that leaves.
std::size_t connection_limit(std::size_t wanted, std::size_t reserved) {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) {
    return wanted;
  }
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  ::getrlimit(RLIMIT_NOFILE, &files);
  const auto open_files = static_cast<std::size_t>(files.rlim_cur);
  return std::min(wanted, open_files > reserved + 16 ? open_files - reserved : 16);
}

http::limits http_limits(const settings& s) {
  http::limits l = s.http;
  l.connections = connection_limit(l.connections, reserved_descriptors(s));
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

/// Runs a lane to its end. A lane that dies would leave callers without an answer for ever: that is a bug, and the
/// process ends so that a supervisor starts it anew.
net::task<> run_lane(ledger::lane& writer) {
  try {
    co_await writer.run();
  } catch (const std::exception& e) {
    log::error("lane died", {{"message", e.what()}});
    log::flush();
    std::abort();
  }
}

/// Of the process's environment, which nobody changes.
std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): before any thread starts
  return value == nullptr ? std::nullopt : std::optional<std::string>{value};
}

/// The process while it serves.
class serving {
 public:
  serving(const settings& s, inherited_sockets given) : settings_{s}, given_{std::move(given)} {
    for (int i = 0; i < s.threads; ++i) {
      shards_.push_back(
          std::make_unique<shard>(settings_, draining_, sold_out_, limits_, database_, [this] { keys_->wake(); }));
    }
    lanes_.emplace(make_lanes());
    std::vector<service::inventory_reader*> readers;
    readers.reserve(shards_.size());
    for (const auto& each : shards_) {
      readers.push_back(&each->inventory_reader());
    }
    std::vector<http::shard> http_shards;
    http_shards.reserve(shards_.size());
    for (const auto& each : shards_) {
      each->open(*lanes_, readers, described_);
      http_shards.emplace_back(each->executor(), each->handler());
    }
    daily_reset_.emplace(shards_.front()->executor(), shards_.front()->database(), shards_.front()->inventory_cache(),
                         settings_.cache_reset_at);
    shard& first = *shards_.front();
    stocks_.emplace(first.executor(), first.database(), settings_.stock_refresh);
    keys_.emplace(first.executor(), first.database(), settings_.key_refresh,
                  [this](const std::shared_ptr<const auth::key_set>& keys) { publish_keys(keys); });
    if (first.redis() != nullptr) {
      sharing_.emplace(first.executor(), *first.redis(), limits_, settings_.redis_prefix);
    }
    const http::limits limits = http_limits(s);
    public_.emplace("public", std::move(http_shards), limits, client_rules(s, limits.connections));
    std::vector<http::shard> admin_shards;
    admin_shards.emplace_back(control_.get_executor(), admin_);
    http::limits of_admin;
    of_admin.connections = admin_connections;
    admin_server_.emplace("admin", std::move(admin_shards), of_admin);
  }

  int run() {
    load_certificate();
    listen(*public_, std::move(given_.api), settings_.listen);
    listen(*admin_server_, std::move(given_.admin), settings_.admin_listen);
    for (auto& each : lanes_->lanes()) {
      shards_[each.thread]->tasks().spawn("lane", run_lane(*each.writer));
    }
    shards_.front()->tasks().spawn("daily reset", daily_reset_->run());
    shards_.front()->tasks().spawn("stock gauges", stocks_->run());
    if (settings_.auth == auth_mode::required) {
      shards_.front()->tasks().spawn("key refresh", keys_->run());
    }
    if (sharing_) {
      shards_.front()->tasks().spawn("limit exchange", sharing_->run());
    }
    load_token_keys();
    wait_for_signal();
    wait_for_reload();
    announce();
    tasks_.spawn("database watch", database_.run());
    if (manager_.watchdog()) {
      std::vector<net::executor> loops;
      loops.reserve(shards_.size());
      for (const auto& each : shards_) {
        loops.push_back(each->executor());
      }
      // A quarter of what the manager waits, so that a sign may be late or lost.
      alive_.emplace(control_.get_executor(), std::move(loops), *manager_.watchdog() / 4,
                     [this] { manager_.tell("WATCHDOG=1"); });
      tasks_.spawn("watchdog", alive_->run());
    }
    std::vector<std::jthread> threads;
    threads.reserve(shards_.size());
    for (const auto& each : shards_) {
      threads.emplace_back([&each] { each->run(); });
    }
    control_.run();
    threads.clear();  // joins
    log::info("stopped", {{"clean", clean_}});
    log::flush();
    return clean_ ? 0 : 1;
  }

 private:
  static void listen(http::server& on, net::owned_fd given, const std::string& address) {
    if (given.get() >= 0) {
      on.listen(std::move(given));
    } else if (!address.empty()) {
      on.listen(address);
    }
  }

  std::vector<ledger::ledger::owned_lane> make_lanes() {
    std::vector<ledger::ledger::owned_lane> lanes;
    const auto count = static_cast<std::size_t>(settings_.lanes);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t thread = i % shards_.size();
      ledger::lane_options how;
      how.database = database_options(settings_);
      how.max_batch = settings_.max_batch;
      how.queue_limit = settings_.lane_queue;
      how.slow = settings_.slow_request;
      how.lane_key = ledger::lane_keys[first_logical_lane(i, count)];
      auto writer =
          std::make_unique<ledger::lane>(shards_[thread]->executor(), std::move(how),
                                         [cached = &shards_[thread]->inventory_cache()](auto users, bool certain) {
                                           certain ? cached->invalidate(users) : cached->invalidate_in_doubt(users);
                                         });
      lanes.push_back({shards_[thread]->executor(), thread, std::move(writer)});
    }
    return lanes;
  }

  static std::size_t first_logical_lane(std::size_t lane, std::size_t lanes) {
    std::size_t logical = 0;
    while (ledger::ledger::lane_index(logical, lanes) != lane) {
      ++logical;
    }
    return logical;
  }

  static std::string bound_address(const std::string& configured, std::uint16_t port) {
    return fmt::format("{}:{}", configured.substr(0, configured.rfind(':')), port);
  }

  /// Says where the server listens.
  void announce() {
    const std::string address = bound_address(settings_.listen, public_->port());
    const std::string admin_address =
        settings_.admin_listen.empty() ? std::string{} : bound_address(settings_.admin_listen, admin_server_->port());
    log::info("listening",
              {{"address", std::string_view{address}},
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
    manager_.tell(fmt::format("READY=1\nSTATUS=Listening on {}, looking at the database\n", address));
  }

  /// After each look at the database: what has turned is said once, here and to the manager.
  void tell_of(const service::database_state& found) {
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
          manager_.tell(fmt::format("STATUS=Serving {}\n", bound_address(settings_.listen, public_->port())));
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

  void publish_keys(const std::shared_ptr<const auth::key_set>& keys) {
    for (const auto& each : shards_) {
      asio::post(each->executor(), [to = each.get(), keys] { to->credentials().ring().replace(keys); });
    }
  }

  /// Throws std::runtime_error when the file is not what it must be.
  void load_token_keys() {
    if (settings_.jwt_keys.empty()) {
      return;
    }
    const auto keys = std::make_shared<const auth::jwt_keys>(read_token_keys(settings_));
    for (const auto& each : shards_) {
      asio::post(each->executor(), [to = each.get(), keys] { to->credentials().replace_token_keys(keys); });
    }
    for (const std::string& why : keys->skipped()) {
      log::warn("token key skipped",
                {{"file", std::string_view{settings_.jwt_keys}}, {"reason", std::string_view{why}}});
    }
    log::info("token keys loaded", {{"keys", keys->size()}});
  }

  /// Throws std::runtime_error when one of the files is not what it must be. New connections have the new certificate.
  void load_certificate() {
    if (settings_.tls_certificate.empty()) {
      return;
    }
    auto tls = net::tls_context::for_server(settings_.tls_certificate, settings_.tls_key);
    const auto expires = tls->expires_at();
    const std::string when = to_rfc3339(expires);
    metrics::make_gauge("coffer_tls_certificate_not_after_timestamp_seconds",
                        "When the first certificate of the chain in use expires")
        .set(static_cast<double>(expires.time_since_epoch().count()));
    const log::level level = expires <= now() ? log::level::warn : log::level::info;
    log::write(level, "certificate loaded", {{"expires_at", std::string_view{when}}});
    asio::dispatch(shards_.front()->executor(), [this, tls] { public_->secure(tls); });
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

  /// Whether this database is of use to this program, for the watch.
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

  /// Whether a pooler in transaction mode is in between: then nothing that is prepared or set in a session stays.
  net::task<bool> lends_sessions(net::deadline until) {
    constexpr std::chrono::seconds look_counts{60};
    if (!settings_.prepared || std::chrono::steady_clock::now() < pooling_known_until_) {
      co_return false;
    }
    pg::options how = database_options(settings_);
    const pg::pooling found = co_await pg::find_pooling(control_.get_executor(), std::move(how), until);
    if (found == pg::pooling::transaction) {
      co_return true;
    }
    pooling_known_until_ = std::chrono::steady_clock::now() + look_counts;
    co_return false;
  }

  /// SIGHUP: what comes from files is read again; what cannot be read stays as it is.
  void wait_for_reload() {
    hangup_.async_wait([this](asio::error_code failed, int) {
      if (failed) {
        return;
      }
      reload("token keys could not be reloaded", [this] { load_token_keys(); });
      reload("certificate could not be reloaded", [this] { load_certificate(); });
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
      log::info("draining", {{"signal", number}});
      ready_.set(0);
      // As long as a regular end may take, in place of TimeoutStopSec= where that is shorter.
      const auto budget = std::chrono::microseconds{stop_budget{settings_}.whole()};
      manager_.tell(
          fmt::format("STOPPING=1\nSTATUS=Answering what was accepted\nEXTEND_TIMEOUT_USEC={}\n", budget.count()));
      tasks_.spawn("stop", stop());
      wait_for_signal();
    });
  }

  /// Requests first, then what they use: listeners and connections, lanes, pools.
  net::task<> stop() {
    const stop_budget budget{settings_};
    const net::deadline until = net::deadline_in(budget.requests);
    database_.stop();
    const bool drained = co_await asio::co_spawn(shards_.front()->executor(), public_->stop(until), net::use_task);
    for (auto& each : lanes_->lanes()) {
      asio::post(each.executor, [writer = each.writer.get()] { writer->stop(); });
    }
    asio::post(shards_.front()->executor(), [this] {
      daily_reset_->stop();
      stocks_->stop();
      keys_->stop();
      if (sharing_) {
        sharing_->stop();
      }
    });
    // Whatever the drain took, background work gets a moment to end. All threads have the same deadlines.
    const net::deadline last = std::max(until, net::deadline_in(budget.work));
    const net::deadline lanes_end = last + budget.lanes;
    for (const auto& each : shards_) {
      co_await asio::co_spawn(each->executor(), each->close(last, lanes_end), net::use_task);
    }
    co_await database_.close(net::deadline_in(std::chrono::seconds{1}));
    co_await admin_server_->stop(net::deadline_in(std::chrono::seconds{1}));
    signals_.cancel();
    hangup_.cancel();
    if (alive_) {
      alive_->stop();
    }
    clean_ = drained;
  }

  const settings& settings_;
  inherited_sockets given_;
  const api::documents described_{{.version = version_text,
                                   .max_deposit = settings_.max_deposit,
                                   .secured = settings_.auth == auth_mode::required}};
  std::atomic<bool> draining_ = false;
  bool clean_ = false;
  asio::io_context control_{1};
  net::task_group tasks_{control_.get_executor()};
  asio::signal_set signals_{control_, SIGINT, SIGTERM};
  asio::signal_set hangup_{control_, SIGHUP};
  limit::limiter limits_{limiter_options(settings_), [this] { sharing_->wake(); }};
  service_manager manager_{environment};
  std::optional<loop_watch> alive_;
  service::sold_out_memory sold_out_;
  metrics::gauge ready_ =
      metrics::make_gauge("coffer_ready", "Whether the process can serve: 1 as long as /readyz is 200");
  service::database_turns turns_;
  std::chrono::steady_clock::time_point pooling_known_until_{};
  service::database_watch database_{control_.get_executor(), database_options(settings_),
                                    [this](pg::connection& db, net::deadline until) { return examine(db, until); },
                                    [this](const service::database_state& found) { tell_of(found); }};
  std::vector<std::unique_ptr<shard>> shards_;
  std::optional<ledger::ledger> lanes_;
  std::optional<daily_reset> daily_reset_;
  std::optional<key_refresh> keys_;
  std::optional<stock_gauges> stocks_;
  std::optional<limit::exchange> sharing_;
  admin admin_;
  std::optional<http::server> public_;
  std::optional<http::server> admin_server_;
};

}  // namespace

int serve(const settings& s) {
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
