// Drops events that are older than anybody may still ask for.
#pragma once

#include <chrono>

#include "coffer/app/rounds.hpp"
#include "coffer/base/log.hpp"
#include "coffer/base/metrics.hpp"
#include "coffer/pg/pool.hpp"
#include "coffer/service/database.hpp"
#include "coffer/store/event_log_store.hpp"

namespace coffer::app {

/// The job. Lives on one thread, with that thread's pool. Processes need not agree on who does it: who comes second
/// finds less to do.
class event_retention {
 public:
  event_retention(const net::executor& ex, pg::pool& db, std::chrono::seconds kept)
      : rounds_{ex, std::chrono::minutes{10}}, db_{db}, kept_{kept} {}

  /// Looks at once and every ten minutes, until stop(). What fails is tried again the next time.
  net::task<> run() {
    return rounds_.run([this] { return drop_all(); });
  }
  /// On the job's thread.
  void stop() { rounds_.stop(); }

 private:
  static constexpr std::chrono::seconds step_time{10};

  /// Piece by piece, so that no statement takes long.
  net::task<> drop_all() {
    static const metrics::counter dropped = metrics::make_counter(
        "coffer_event_rows_dropped_total", "Rows of the event log that were older than --event-retention");
    static const metrics::counter failures = metrics::make_counter(
        "coffer_event_retention_failures_total", "Rounds of dropping old events that failed and come again");
    try {
      std::int64_t count = store::dropped_at_once;
      while (count >= store::dropped_at_once && !rounds_.stopping()) {
        const net::deadline until = net::deadline_in(step_time);
        const auto work = [kept = kept_, until](pg::connection& db) { return store::drop_events(db, kept, until); };
        count = co_await service::with_connection(db_, until, false, work);
        dropped.add(static_cast<double>(count));
      }
      failing_ = false;
    } catch (const pg::error& e) {
      failures.add();
      // Such as a role without the right to delete: `doctor` says so.
      log::write(e.refused() && !failing_ ? log::level::warn : log::level::debug, "old events could not be dropped",
                 {{"message", e.what()}, {"remedy", "tried again in ten minutes; nothing is lost meanwhile"}});
      failing_ = e.refused();
    }
  }

  rounds rounds_;
  pg::pool& db_;
  std::chrono::seconds kept_;
  bool failing_ = false;
};

}  // namespace coffer::app
