// Keeps the server keys in memory what they are in the database, and tells the database when they were used.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "coffer/auth/key_ring.hpp"
#include "coffer/base/log.hpp"
#include "coffer/base/metrics.hpp"
#include "coffer/pg/pool.hpp"
#include "coffer/service/database.hpp"
#include "coffer/store/keys_store.hpp"

namespace coffer::app {

/// The job. Lives on one thread, with that thread's pool. Without the database the last known keys stay in force.
class key_refresh {
 public:
  /// Uses are written this often, and once at the end.
  static constexpr std::chrono::seconds note_uses_every{60};

  /// `publish` is called on the job's thread whenever the keys have been read.
  key_refresh(net::executor ex, pg::pool& db, std::chrono::milliseconds every,
              std::function<void(std::shared_ptr<const auth::key_set>)> publish)
      : executor_{ex}, timer_{ex}, db_{db}, every_{every}, publish_{std::move(publish)} {}

  /// Reads and writes until stop().
  net::task<> run() {
    net::deadline note_at = net::deadline_in(note_uses_every);
    while (!stopping_) {
      woken_ = false;
      co_await read();
      if (std::chrono::steady_clock::now() >= note_at) {
        co_await note_uses();
        note_at = net::deadline_in(note_uses_every);
      }
      if (!woken_ && !stopping_) {
        timer_.expires_after(every_);
        co_await timer_.async_wait(net::as_tuple);
      }
    }
    co_await note_uses();
  }

  /// Reads at once. On any thread.
  void wake() {
    asio::post(executor_, [this] {
      woken_ = true;
      timer_.cancel();
    });
  }

  /// On the job's thread.
  void stop() {
    stopping_ = true;
    timer_.cancel();
  }

 private:
  static constexpr std::chrono::seconds step_time{2};

  net::task<> read() {
    const net::deadline until = net::deadline_in(step_time);
    const auto load = [until](pg::connection& db) { return store::load_keys(db, until); };
    try {
      const std::vector<auth::key_record> records = co_await service::with_connection(db_, until, true, load);
      keys_ = std::make_shared<const auth::key_set>(records, *keys_);
      static const metrics::gauge in_force =
          metrics::make_gauge("coffer_auth_keys", "Server keys in force, as this process knows them");
      in_force.set(static_cast<double>(keys_->size()));
      publish_(keys_);
      failing_ = false;
    } catch (const pg::error& e) {
      metrics::make_counter("coffer_auth_key_refresh_failures_total", "Reads of the server keys that failed").add();
      if (!failing_ || !e.refused()) {
        log::write(e.refused() ? log::level::warn : log::level::debug, "server keys could not be read",
                   {{"message", e.what()}, {"remedy", "the last known ones stay in force"}});
      }
      failing_ = e.refused();
    }
  }

  net::task<> note_uses() {
    const timestamp now_noted = now();
    std::vector<std::pair<std::int64_t, timestamp>> uses = keys_->used_since(noted_until_);
    if (uses.empty()) {
      co_return;
    }
    const net::deadline until = net::deadline_in(step_time);
    const auto note = [&uses, until](pg::connection& db) { return store::note_key_uses(db, uses, until); };
    try {
      co_await service::with_connection(db_, until, true, note);
      // Uses are noted to the second: those of this one may still come.
      noted_until_ = std::chrono::floor<std::chrono::seconds>(now_noted) - std::chrono::seconds{1};
    } catch (const pg::error& e) {
      log::write(e.refused() ? log::level::warn : log::level::debug, "the uses of server keys could not be written",
                 {{"message", e.what()}, {"remedy", "tried again"}});
    }
  }

  net::executor executor_;
  net::steady_timer timer_;
  pg::pool& db_;
  std::chrono::milliseconds every_;
  std::function<void(std::shared_ptr<const auth::key_set>)> publish_;
  std::shared_ptr<const auth::key_set> keys_ = std::make_shared<const auth::key_set>();
  timestamp noted_until_{};
  bool failing_ = false;
  bool woken_ = false;
  bool stopping_ = false;
};

}  // namespace coffer::app
