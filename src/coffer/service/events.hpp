// The feed of events: pages behind a reader's place, and the wait for more.
#pragma once

#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "coffer/base/log.hpp"
#include "coffer/base/metrics.hpp"
#include "coffer/net/task_group.hpp"
#include "coffer/net/wait_queue.hpp"
#include "coffer/service/database.hpp"
#include "coffer/store/events_store.hpp"

namespace coffer::service {

/// Events in an order that keeps each user's, and the place behind them.
struct events_page {
  std::vector<store::event> events;
  store::events_place place;
};

/// One instance per thread. Throws pg::error for infrastructure failures.
class events {
 public:
  /// Readers that wait on one thread. One more is not let in.
  static constexpr std::size_t most_waiting = 256;
  /// How often the database is asked for what waiting readers wait for, however many they are.
  static constexpr std::chrono::milliseconds look_every{100};

  events(const net::executor& ex, pg::pool& db, net::task_group& tasks)
      : timer_{ex}, db_{db}, tasks_{tasks}, waiting_{ex, most_waiting} {}

  /// Up to `limit` events (1..1000) behind `from`, nullopt: from the oldest that is kept on. Fewer at the log's end,
  /// and now and then before it. Empty when there is none; of a reader that wants only some types, also when there is
  /// none among the next events_at_once. Refusals: cursor_expired, cursor_ahead.
  net::task<result<events_page>> read(std::optional<store::events_place> from, domain::event_types_wanted types,
                                      std::int64_t limit, net::deadline until);

  /// The place behind all that has happened.
  net::task<store::events_place> end(net::deadline until);

  /// Waits until there may be events behind `place`. `full`: too many wait.
  net::task<net::wait_result> wait(const store::events_place& place, net::deadline until);

  /// Ends all waits, for ever: who streams says where to go on, and ends. On the thread's executor.
  void stop() {
    stopped_ = true;
    waiting_.close();
    timer_.cancel();
  }
  [[nodiscard]] bool stopped() const noexcept { return stopped_; }

 private:
  /// Events that one read() looks at, at most.
  static constexpr std::int64_t events_at_once = 10'000;
  static constexpr std::chrono::seconds look_time{2};

  net::task<> look();

  net::steady_timer timer_;
  pg::pool& db_;
  net::task_group& tasks_;
  net::wait_queue waiting_;
  store::events_place seen_;  ///< the log's end, as of the last look
  bool looking_ = false;
  bool stopped_ = false;
  metrics::gauge readers_ = metrics::make_gauge("coffer_event_readers_waiting", "Requests that wait for events");
  metrics::counter refused_ = metrics::make_counter("coffer_event_readers_refused_total",
                                                    "Requests for events refused because too many were waiting");
  metrics::counter told_ = metrics::make_counter("coffer_events_read_total", "Events that the feed has given");
};

inline net::task<result<events_page>> events::read(std::optional<store::events_place> from,
                                                   domain::event_types_wanted types, std::int64_t limit,
                                                   net::deadline until) {
  events_page page;
  std::int64_t looked_at = 0;
  bool is_behind = true;
  do {
    const auto look = [&from, until](pg::connection& db) { return store::read_ahead(db, from, until); };
    result<store::rows_ahead> ahead = co_await with_connection(db_, until, true, look);
    if (!ahead) {
      co_return std::unexpected(ahead.error());
    }
    const store::rows_in_order rows = store::take_in_order(*ahead, limit - std::ssize(page.events));
    if (rows.rows.empty()) {
      is_behind = false;
      from = std::move(ahead->from);
      break;
    }
    const auto read = [&rows, types, until](pg::connection& db) { return store::tell(db, rows, types, until); };
    result<std::vector<store::event>> told = co_await with_connection(db_, until, true, read);
    if (!told) {
      co_return std::unexpected(told.error());
    }
    page.events.insert(page.events.end(), std::make_move_iterator(told->begin()), std::make_move_iterator(told->end()));
    looked_at += rows.events;
    from = std::move(ahead->from);
    // At the log's end, what comes while it is read is the next page's: it would never end under load.
    is_behind = page.events.empty() || std::ssize(rows.rows) >= store::log_ahead;
  } while (is_behind && std::ssize(page.events) < limit && looked_at < events_at_once);
  page.place = *std::move(from);
  if (!is_behind) {
    seen_ = page.place;
  }
  told_.add(static_cast<double>(page.events.size()));
  co_return page;
}

inline net::task<store::events_place> events::end(net::deadline until) {
  const auto work = [until](pg::connection& db) { return store::find_log_end(db, until); };
  co_return co_await with_connection(db_, until, true, work);
}

inline net::task<net::wait_result> events::wait(const store::events_place& place, net::deadline until) {
  const bool has_more = std::ranges::any_of(seen_.read, [&place](const auto& stream) {
    const auto at = place.read.find(stream.first);
    return at == place.read.end() || at->second.position < stream.second.position;
  });
  if (has_more) {
    co_return net::wait_result::woken;
  }
  if (!looking_) {
    looking_ = true;
    tasks_.spawn("look for events", look());
  }
  readers_.add(1);
  const net::wait_result ended = co_await waiting_.wait(until);
  readers_.add(-1);
  if (ended == net::wait_result::full) {
    refused_.add();
  }
  co_return ended;
}

/// Asks as long as anybody waits.
inline net::task<> events::look() {
  do {
    timer_.expires_after(look_every);
    co_await timer_.async_wait(net::as_tuple);
    try {
      store::events_place now = co_await end(net::deadline_in(look_time));
      if (now != seen_) {
        seen_ = std::move(now);
        while (waiting_.wake_one()) {
        }
      }
    } catch (const pg::error& e) {
      log::debug("events could not be looked for", {{"message", e.what()}});
    }
  } while (waiting_.size() > 0);
  looking_ = false;
}

}  // namespace coffer::service
