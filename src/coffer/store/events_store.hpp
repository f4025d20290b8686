// Reads the event log: what is behind a reader's place, in an order that may be taken, and what each row tells.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "coffer/base/error.hpp"
#include "coffer/domain/event_type.hpp"
#include "coffer/domain/product.hpp"
#include "coffer/pg/connection.hpp"
#include "coffer/store/event_log_store.hpp"
#include "coffer/store/products_store.hpp"
#include "coffer/store/transaction_row.hpp"
#include "coffer/store/users_store.hpp"

namespace coffer::store {

/// Tells a row of the event log from another one at its place, of a database that was restored or emptied: its time, to
/// 24 bits, in microseconds. Never 0.
inline std::uint32_t mark_of(timestamp created_at) {
  constexpr std::int64_t marks = 0xFFFFFF;
  return static_cast<std::uint32_t>(1 + created_at.time_since_epoch().count() % marks);
}

/// How far a reader of the event log has come.
struct events_place {
  /// A row that was read.
  struct point {
    std::int64_t position = 0;
    std::uint32_t mark = 0;  ///< 0: not known

    friend bool operator==(const point&, const point&) = default;
  };
  /// The row behind a stream's last one that was read whole, of which so many events were read.
  struct part {
    std::int16_t stream = 0;
    std::int64_t events = 0;
    std::uint32_t mark = 0;

    friend bool operator==(const part&, const part&) = default;
  };

  std::map<std::int16_t, point> read;  ///< by stream: the last row that was read whole
  part begun;                          ///< at most one row is read in part

  friend bool operator==(const events_place&, const events_place&) = default;
};

/// A row of the event log without what it tells.
struct logged_row {
  std::int16_t stream = 0;
  std::int64_t position = 0;
  std::int64_t events = 0;
  timestamp created_at;
  std::vector<std::pair<std::int16_t, std::int64_t>> after;  ///< streams with the positions that come before
};

/// What happened. Of a product: as it was then.
struct product_change {
  domain::product now;
  timestamp at;
  std::int16_t stream = 0;  ///< with `position`: which of the product's changes it is
  std::int64_t position = 0;
};
using event = std::variant<domain::transaction, user_row, product_change>;

/// Rows of each stream that one look ahead gives at most.
inline constexpr std::int64_t log_ahead = 128;

namespace detail {

// Of each stream the row that was read last comes along, if it is there: whether there is a gap behind it shows there.
inline constexpr pg::statement select_log_ahead{
    "events_ahead", COFFER_EVENT_STREAMS
    " select s.stream, e.position, e.events, e.created_at, e.after from streams s"
    " left join (select unnest($1) as stream, unnest($2) as position) as place on place.stream = s.stream"
    " left join lateral (select position, events, created_at,"
    " (select string_agg(concat(a.stream, ' ', a.position), ' ')"
    " from unnest(after_streams, after_positions) as a (stream, position)) as after"
    " from event_log where stream = s.stream and position >= coalesce(place.position, 0)"
    " order by position limit $3) as e on true where s.stream is not null order by s.stream, e.position"};

inline constexpr pg::statement select_log_ends{
    "events_ends", COFFER_EVENT_STREAMS
    " select e.stream, e.position, e.created_at from streams s cross join lateral"
    " (select * from event_log where stream = s.stream order by position desc limit 1) as e"};

// Each event of the rows is a row here, in order, whether or not it is wanted ($5: bits of event_type) and whether or
// not the journal has it. Version 0 is the user's creation.
inline constexpr pg::statement select_events{
    "events_tell",
    "select" COFFER_TRANSACTION_COLUMNS
    ", u.id, u.username, u.email, u.created_at, p.id, p.name, p.description, p.price, p.type, p.is_active,"
    " p.is_limited, p.per_user_limit, p.sale_starts_at, p.sale_ends_at, p.stock, e.stream, e.position, e.created_at"
    " from unnest($1, $2) with ordinality as wanted (stream, position, place) cross join lateral"
    " (select * from event_log where stream = wanted.stream and position = wanted.position offset 0) as e"
    " left join lateral (select r.user_id, v.version, r.place"
    " from unnest(e.users, e.first_versions, e.counts) with ordinality as r (user_id, first, events, place)"
    " cross join lateral generate_series(r.first, r.first + r.events - 1) as v (version)) as one on true"
    " left join lateral (select * from transactions where user_id = one.user_id and version = one.version"
    " and kind between 1 and 5 and ($5 >> (kind - 1 + case status when 3 then 5 else 0 end)) & 1 = 1 offset 0) as t"
    " on true left join lateral (select * from users where id = one.user_id and one.version = 0"
    " and ($5 >> 10) & 1 = 1 offset 0) as u on true"
    " left join lateral jsonb_to_record(e.product) as p (id bigint, name text, description text, price bigint,"
    " type smallint, is_active boolean, is_limited boolean, per_user_limit bigint, sale_starts_at timestamptz,"
    " sale_ends_at timestamptz, stock bigint) on ($5 >> 11) & 1 = 1"
    " order by wanted.place, one.place, one.version offset $3 limit $4"};

/// Pairs of numbers separated by spaces.
inline std::vector<std::pair<std::int16_t, std::int64_t>> read_after(std::string_view text) {
  std::vector<std::pair<std::int16_t, std::int64_t>> pairs;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto number = [&at, end](auto& into) {
    at = std::from_chars(at, end, into).ptr;
    at += at == end ? 0 : 1;
  };
  while (at != end) {
    number(pairs.emplace_back().first);
    number(pairs.back().second);
  }
  return pairs;
}

/// Whether the first row of a stream, and the one behind it, are others than those that were read at their places.
inline bool is_another(const pg::rows& found, int row, const events_place::point& read,
                       const events_place::part& begun) {
  const std::int16_t stream = found.int16(row, 0);
  const auto differs = [&found](int at, std::uint32_t mark) { return mark != 0 && mark_of(found.time(at, 3)) != mark; };
  if (found.int64(row, 1) == read.position && differs(row++, read.mark)) {
    return true;
  }
  const bool has_next = row < found.size() && found.int16(row, 0) == stream && !found.is_null(row, 1);
  return begun.stream == stream && begun.events > 0 && (!has_next || differs(row, begun.mark));
}

/// Nullopt: it is not wanted, or not there.
inline std::optional<event> read_event(const pg::rows& found, int row) {
  constexpr int user = 19, product = 23, log = 34;  // where the columns of select_events begin
  if (!found.is_null(row, 0)) {
    return read_transaction(found, row);
  }
  if (!found.is_null(row, user)) {
    return user_row{.id = user_id{found.int64(row, user)},
                    .username = std::string{found.text(row, user + 1)},
                    .email = std::string{found.text(row, user + 2)},
                    .balance = {},
                    .at = {},
                    .created_at = found.time(row, user + 3)};
  }
  if (!found.is_null(row, product)) {
    return product_change{.now = read_product(found, row, product),
                          .at = found.time(row, log + 2),
                          .stream = found.int16(row, log),
                          .position = found.int64(row, log + 1)};
  }
  return std::nullopt;
}

}  // namespace detail

/// What is behind a place, as of one moment.
struct rows_ahead {
  events_place from;
  std::vector<std::vector<logged_row>> streams;  ///< each in order of position, log_ahead of each at most
};

/// What is behind `from`; nullopt is where the log begins. Refusals: cursor_expired, rows behind it are not kept any
/// more; cursor_ahead, the log does not come so far, or what was read is not there any more. Throws pg::error.
inline net::task<result<rows_ahead>> read_ahead(pg::connection& db, std::optional<events_place> from,
                                                net::deadline until) {
  rows_ahead ahead{.from = from.value_or(events_place{}), .streams = {}};
  std::vector<std::int16_t> streams;
  std::vector<std::int64_t> positions;
  for (const auto& [stream, last] : ahead.from.read) {
    streams.push_back(stream);
    positions.push_back(last.position);
  }
  const pg::rows found =
      co_await db.query(detail::select_log_ahead, pg::params::of(streams, positions, log_ahead + 1), until);
  std::size_t known_streams = 0;
  for (int r = 0; r < found.size();) {
    const std::int16_t stream = found.int16(r, 0);
    if (found.is_null(r, 1)) {
      co_return std::unexpected(error{errc::cursor_ahead});
    }
    const std::int64_t first = found.int64(r, 1);
    const auto at = ahead.from.read.find(stream);
    known_streams += at == ahead.from.read.end() ? 0U : 1U;
    const events_place::point read = !from                         ? events_place::point{first - 1, 0}
                                     : at == ahead.from.read.end() ? events_place::point{}
                                                                   : at->second;
    if (first > read.position + 1) {
      co_return std::unexpected(error{errc::cursor_expired});
    }
    if (detail::is_another(found, r, read, ahead.from.begun)) {
      co_return std::unexpected(error{errc::cursor_ahead});
    }
    ahead.from.read[stream] = read;
    std::vector<logged_row>& rows = ahead.streams.emplace_back();
    for (; r < found.size() && found.int16(r, 0) == stream; ++r) {
      if (found.int64(r, 1) > read.position) {
        rows.push_back({.stream = stream,
                        .position = found.int64(r, 1),
                        .events = found.int32(r, 2),
                        .created_at = found.time(r, 3),
                        .after = detail::read_after(found.optional_text(r, 4).value_or(""))});
      }
    }
  }
  if (known_streams < streams.size()) {
    co_return std::unexpected(error{errc::cursor_ahead});
  }
  co_return ahead;
}

/// Where the log ends now. Throws pg::error.
inline net::task<events_place> find_log_end(pg::connection& db, net::deadline until) {
  const pg::rows found = co_await db.query(detail::select_log_ends, until);
  events_place end;
  for (int r = 0; r < found.size(); ++r) {
    end.read.emplace(found.int16(r, 0), events_place::point{found.int64(r, 1), mark_of(found.time(r, 2))});
  }
  co_return end;
}

/// Rows that are read next, and how many events of them.
struct rows_in_order {
  std::vector<logged_row> rows;
  std::int64_t skipped = 0;  ///< of the first one's events: those read before
  std::int64_t events = 0;
};

/// Takes rows of at most `most` events (at least 1) from what is ahead, oldest first, but none before those that it
/// must come after: so every user's events stay in order. A row that has more events is taken alone, in part. Moves
/// `ahead.from` behind what is taken.
inline rows_in_order take_in_order(rows_ahead& ahead, std::int64_t most) {
  events_place& place = ahead.from;
  rows_in_order taken;
  std::vector<std::size_t> next(ahead.streams.size(), 0);
  const auto may_follow = [&place](const logged_row& row) {
    return std::ranges::all_of(row.after, [&place](const auto& older) {
      const auto at = place.read.find(older.first);
      return at != place.read.end() && at->second.position >= older.second;
    });
  };
  for (;;) {
    const logged_row* oldest = nullptr;
    std::size_t of = 0;
    for (std::size_t i = 0; i < ahead.streams.size(); ++i) {
      const logged_row* row = next[i] < ahead.streams[i].size() ? &ahead.streams[i][next[i]] : nullptr;
      if (row == nullptr || !may_follow(*row)) {
        continue;
      }
      const bool is_begun = place.begun.events > 0 && place.begun.stream == row->stream;
      if (oldest == nullptr || is_begun || row->created_at < oldest->created_at) {
        oldest = row;
        of = i;
      }
      if (is_begun) {
        break;
      }
    }
    if (oldest == nullptr) {
      return taken;
    }
    const std::int64_t before = place.begun.events;
    const std::int64_t left = oldest->events - before;
    if (taken.events + left > most) {
      if (taken.rows.empty()) {
        taken = {.rows = {*oldest}, .skipped = before, .events = most};
        place.begun = {oldest->stream, before + most, mark_of(oldest->created_at)};
      }
      return taken;
    }
    taken.skipped += before;
    place.begun = {};
    place.read[oldest->stream] = {oldest->position, mark_of(oldest->created_at)};
    taken.rows.push_back(*oldest);
    taken.events += left;
    ++next[of];
  }
}

/// The events of these rows that are wanted, in order. Refusal: cursor_expired, a row has gone meanwhile. Throws
/// pg::error.
inline net::task<result<std::vector<event>>> tell(pg::connection& db, const rows_in_order& what,
                                                  domain::event_types_wanted types, net::deadline until) {
  std::vector<std::int16_t> streams;
  std::vector<std::int64_t> positions;
  for (const logged_row& row : what.rows) {
    streams.push_back(row.stream);
    positions.push_back(row.position);
  }
  const pg::rows found = co_await db.query(
      detail::select_events, pg::params::of(streams, positions, what.skipped, what.events, std::int32_t{types.bits()}),
      until);
  if (found.size() != what.events) {
    co_return std::unexpected(error{errc::cursor_expired});
  }
  std::vector<event> events;
  for (int r = 0; r < found.size(); ++r) {
    if (std::optional<event> one = detail::read_event(found, r)) {
      events.push_back(*std::move(one));
    }
  }
  co_return events;
}

}  // namespace coffer::store
