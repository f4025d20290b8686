// Keeps the sales counters few, whatever the number of processes and their starts.
#pragma once

#include <chrono>

#include "coffer/app/rounds.hpp"
#include "coffer/base/log.hpp"
#include "coffer/base/metrics.hpp"
#include "coffer/pg/pool.hpp"
#include "coffer/service/database.hpp"
#include "coffer/store/sales_store.hpp"

namespace coffer::app {

/// The job. Lives on one thread, with that thread's pool. Processes need not agree on who folds: who comes second finds
/// less to do.
class sales_folding {
 public:
  sales_folding(const net::executor& ex, pg::pool& db) : rounds_{ex, std::chrono::hours{1}}, db_{db} {}

  /// Folds what is closed, at once and every hour, until stop(). A period that somebody is counting in, and what a
  /// database does not allow, is tried again the next time.
  net::task<> run() {
    return rounds_.run([this] { return fold_both(); });
  }
  /// On the job's thread.
  void stop() { rounds_.stop(); }

 private:
  /// Looking for what can be folded reads some 200 hours of counters.
  static constexpr std::chrono::seconds step_time{10};
  /// So many periods at most are folded in a row: more than a week has, and an old shop's years take their time.
  static constexpr int most = 300;

  net::task<> fold_both() {
    co_await fold_all(store::counted::sales);
    co_await fold_all(store::counted::refunded_sales);
  }

  net::task<> fold_all(store::counted what) {
    static const metrics::counter folded = metrics::make_counter(
        "coffer_sales_counters_folded_total", "Rows of the sales counters that were added to others and are gone");
    static const metrics::counter failures = metrics::make_counter(
        "coffer_sales_folding_failures_total", "Rounds of folding the sales counters that failed and come again");
    try {
      const net::deadline until = net::deadline_in(step_time);
      const auto look = [what, until](pg::connection& db) { return store::find_unfolded(db, what, most, until); };
      for (const store::closed_period& period : co_await service::with_connection(db_, until, true, look)) {
        if (rounds_.stopping()) {
          co_return;
        }
        const net::deadline soon = net::deadline_in(step_time);
        const auto work = [what, period, soon](pg::connection& db) { return store::fold(db, what, period, soon); };
        folded.add(static_cast<double>((co_await service::with_connection(db_, soon, false, work)).value_or(0)));
      }
      failing_ = false;
    } catch (const pg::error& e) {
      failures.add();
      // Such as a role without the right to delete: `doctor` says so.
      log::write(e.refused() && !failing_ ? log::level::warn : log::level::debug, "sales counters could not be folded",
                 {{"message", e.what()}, {"remedy", "tried again in an hour; nothing is wrong with the sums"}});
      failing_ = e.refused();
    }
  }

  rounds rounds_;
  pg::pool& db_;
  bool failing_ = false;
};

}  // namespace coffer::app
