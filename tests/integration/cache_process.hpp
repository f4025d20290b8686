// A server process as the inventory cache sees it, and a database whose answers can be held back.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "coffer/cache/inventory_cache.hpp"
#include "coffer/net/oneshot.hpp"
#include "support/redis_server.hpp"
#include "support/run_task.hpp"

namespace coffer::test {

/// Versions of users, and how often they were read.
struct fake_database {
  std::map<std::int64_t, std::int64_t> versions;
  int loads = 0;

  net::task<result<cache::inventory_snapshot>> load(user_id user) {
    ++loads;
    co_await net::sleep_for(std::chrono::milliseconds{1});
    const auto found = versions.find(user.value);
    if (found == versions.end()) {
      co_return std::unexpected(error{errc::user_not_found});
    }
    co_return cache::inventory_snapshot{version{found->second},
                                        fmt::format("{{\"user_id\":{},\"version\":{}}}", user.value, found->second)};
  }
};

/// A read that has seen the database and not yet returned: the slow reader of every cache race.
class slow_read {
 public:
  slow_read(asio::io_context& context, cache::inventory_cache& cache, fake_database& database, user_id user)
      : context_{context}, gate_{context.get_executor()} {
    cache::inventory_cache::loader load = [this, &database, user] { return hold(&database, user); };
    asio::co_spawn(context, cache.get(user, net::deadline_in(std::chrono::seconds{30}), std::move(load)),
                   [this](std::exception_ptr failed, result<cache::inventory_read> read) {
                     if (!failed && read) {
                       read_ = std::move(*read);
                     }
                     done_ = true;
                   });
    run_until(context_, [this] { return loading_; }, std::chrono::seconds{10});
  }

  /// Lets it return, and gives the version that it saw.
  std::int64_t finish() {
    gate_.set(true);
    run_until(context_, [this] { return done_; }, std::chrono::seconds{10});
    return read_.snapshot.at.value;
  }

 private:
  net::task<result<cache::inventory_snapshot>> hold(fake_database* database, user_id user) {
    auto seen = co_await database->load(user);
    loading_ = true;
    co_await gate_.wait();
    co_return seen;
  }

  asio::io_context& context_;
  net::oneshot<bool> gate_;
  cache::inventory_read read_;
  bool loading_ = false;
  bool done_ = false;
};

/// One cache and its connection. Several on one event loop are as several processes: they share nothing else.
struct cache_process {
  cache_process(asio::io_context& c, const std::string& url, cache::inventory_cache_options how)
      : cache_process{c, patient(url), std::move(how)} {}
  cache_process(asio::io_context& c, redis::options redis_how, cache::inventory_cache_options how)
      : context{c}, client{c.get_executor(), std::move(redis_how)}, cache{c.get_executor(), &client, std::move(how)} {}

  /// What read() gives. What it loaded has been stored.
  std::string get(fake_database& database, std::int64_t user) {
    std::string seen = read(database, user);
    settle();
    return seen;
  }

  /// "7 hit": the version and where it came from; "none" for an unknown user.
  std::string read(fake_database& database, std::int64_t user) {
    cache::inventory_cache::loader load = [&database, user] { return database.load(user_id{user}); };
    const auto read =
        run_task(context, cache.get(user_id{user}, net::deadline_in(std::chrono::seconds{30}), std::move(load)));
    if (!read) {
      return "none";
    }
    constexpr const char* names[] = {"hit", "miss", "bypass"};
    const std::string expected = fmt::format("{{\"user_id\":{},\"version\":{}}}", user, read->snapshot.at.value);
    return fmt::format("{} {}{}", read->snapshot.at.value, names[static_cast<int>(read->from)],
                       read->snapshot.json == expected ? "" : " BROKEN " + read->snapshot.json);
  }

  /// A commit: the user has version `v` now, and the cache is told.
  void commit(fake_database& database, std::int64_t user, std::int64_t v) {
    database.versions[user] = v;
    const cache::user_version changed[] = {{user_id{user}, version{v}}};
    cache.invalidate(changed);
  }

  /// Waits until Redis has executed everything that was sent to it, or failed to.
  void settle() {
    run_until(context, [this] { return client.pending() == 0; }, std::chrono::seconds{10});
  }

  /// Waits for a working connection.
  void recover() {
    for (bool answered = false; !answered;) {
      run_until(context, [this] { return client.available(); }, std::chrono::seconds{20});
      answered = run_task(context, client.command({"PING"})).has_value();
    }
  }

  asio::io_context& context;
  redis::client client;
  cache::inventory_cache cache;
};

}  // namespace coffer::test
