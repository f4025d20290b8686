// The event log: which versions of which users were written, in the order in which a reader may take them. Knows no
// event's content.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "coffer/base/clock.hpp"
#include "coffer/domain/batch_state.hpp"
#include "coffer/pg/connection.hpp"
#include "coffer/pg/error.hpp"
#include "coffer/pg/pipeline.hpp"

// Statements are literals, so what they share are macros. Begins a statement about all streams, which are found one by
// one in the primary key, whatever the log's size:
#define COFFER_EVENT_STREAMS                                                          \
  "with recursive streams (stream) as ((select min(stream) from event_log) union all" \
  " select (select min(stream) from event_log where stream > s.stream) from streams s where s.stream is not null)"
// Adds a row behind the last one of stream $1:
#define COFFER_INSERT_EVENTS \
  "insert into event_log (stream, position, created_at, events, users, first_versions, counts"
#define COFFER_NEXT_EVENTS " select $1, coalesce((select max(position) from event_log where stream = $1), 0) + 1"

namespace coffer::store {

/// Where a writer's rows of the event log go. Two that write to one stream at a time wait for each other, and the
/// second must run again: it moves away then. Streams are drawn from few numbers, because every reader looks at all
/// that were ever used.
class event_stream {
 public:
  /// A lane's streams are those from 1 on; those of other writers below 0.
  enum class writer : std::uint8_t { lane, other };

  /// `first`: the number to begin with, from 0 on; the same for two writers does no harm.
  event_stream(writer of, int first) : of_{of}, number_{1 + (first % first_numbers)} {}

  [[nodiscard]] std::int16_t number() const noexcept {
    return static_cast<std::int16_t>(of_ == writer::lane ? number_ : -number_);
  }

  /// Somebody else writes to this one: takes another, out of twice as many as the time before.
  void move() {
    std::random_device random;
    move(random);
  }
  template <typename Random>
  void move(Random& random) {
    numbers_ = std::min(2 * numbers_, most_numbers);
    const int drawn = std::uniform_int_distribution<int>{1, numbers_ - 1}(random);
    number_ = drawn < number_ ? drawn : drawn + 1;
  }

 private:
  static constexpr int first_numbers = 16;
  static constexpr int most_numbers = 256;

  writer of_;
  int number_;
  int numbers_ = first_numbers;
};

/// Whether statement `at` of a pipeline, an insert into the event log, found that somebody else writes to its stream.
inline bool met_other_writer(const pg::error& failure, std::size_t at) {
  return failure.delivered() == pg::delivery::answered && failure.state() == pg::sqlstate::unique_violation &&
         failure.statement_index() == at;
}

namespace detail {

#define COFFER_BATCH_EVENTS COFFER_NEXT_EVENTS ", $2, $3, $4, $5, $6"

inline constexpr pg::statement insert_events{"events_insert", COFFER_INSERT_EVENTS ")" COFFER_BATCH_EVENTS};

// For a batch with users whose last events are in other streams. Those are committed, because this transaction has the
// users' locks.
inline constexpr pg::statement insert_events_after{
    "events_insert_after",
    COFFER_INSERT_EVENTS ", after_streams, after_positions)" COFFER_BATCH_EVENTS
                         ", $7, array(select coalesce((select max(position) from event_log where stream = s.stream), 0)"
                         " from (select unnest($7) as stream) as s)"};

#undef COFFER_BATCH_EVENTS

// From each stream's first row on, up to the first one that is kept. The last one of a stream always is: positions go
// on behind it, and a reader who has come so far is not told that rows are missing.
inline constexpr pg::statement drop_old_events{
    "events_drop", COFFER_EVENT_STREAMS
    " delete from event_log e using (select s.stream, old.position from streams s cross join lateral"
    " (select position, created_at from event_log where stream = s.stream order by position limit $2) as old"
    " where old.created_at < now() - make_interval(secs => $1)"
    " and old.position < (select max(position) from event_log where stream = s.stream)) as old"
    " where e.stream = old.stream and e.position = old.position"};

}  // namespace detail

/// Adds the insert that says what of `state` is new. Nothing comes behind it but the commit, because whoever writes to
/// the same stream waits for that.
inline void add_events(pg::pipeline& p, const domain::batch_state& state, std::int16_t stream) {
  std::vector<std::int64_t> users, firsts;
  std::vector<std::int16_t> counts, after;
  std::int64_t events = 0;
  for (const domain::wallet& w : state.wallets) {
    if (!w.changed) {
      continue;
    }
    // Rows that were written by somebody who does not know of the log (an older coffer, SQL by hand) come along.
    for (std::int64_t first = w.logged.value + 1; first <= w.at.value;) {
      const std::int64_t count =
          std::min(w.at.value - first + 1, std::int64_t{std::numeric_limits<std::int16_t>::max()});
      users.push_back(w.user.value);
      firsts.push_back(first);
      counts.push_back(static_cast<std::int16_t>(count));
      events += count;
      first += count;
    }
    if (w.logged_in && *w.logged_in != stream) {
      after.push_back(*w.logged_in);
    }
  }
  std::ranges::sort(after);
  after.erase(std::ranges::unique(after).begin(), after.end());
  using int64s = std::span<const std::int64_t>;
  using int16s = std::span<const std::int16_t>;
  pg::params with = pg::params::of(stream, state.time, static_cast<std::int32_t>(events), int64s{users}, int64s{firsts},
                                   int16s{counts});
  if (!after.empty()) {
    with.add(int16s{after});
  }
  p.add(after.empty() ? detail::insert_events : detail::insert_events_after, std::move(with));
}

/// Rows of one stream that drop_events() looks at.
inline constexpr std::int64_t dropped_at_once = 1000;

/// Drops rows that are older than `kept`, from the first ones of each stream on, and gives how many: when it is
/// dropped_at_once or more there may be others. Throws pg::error.
inline net::task<std::int64_t> drop_events(pg::connection& db, std::chrono::seconds kept, net::deadline until) {
  const pg::rows dropped = co_await db.query(detail::drop_old_events,
                                             pg::params::of(static_cast<double>(kept.count()), dropped_at_once), until);
  co_return dropped.affected();
}

}  // namespace coffer::store
