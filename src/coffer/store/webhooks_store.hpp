// Webhooks as rows: who is told of events, how far each has been told, what is to be sent again, and who sends.
#pragma once

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "coffer/base/error.hpp"
#include "coffer/domain/event_type.hpp"
#include "coffer/pg/connection.hpp"
#include "coffer/store/events_store.hpp"
#include "coffer/store/write_frame.hpp"

namespace coffer::store {

/// How many webhooks there may be: each has senders of its own in the relay.
inline constexpr std::int64_t max_webhooks = 16;
/// A former secret goes on signing for so long.
inline constexpr std::chrono::hours former_secret_lasts{24};

/// A webhook as people see it.
struct webhook_row {
  std::int64_t id = 0;
  std::string url;
  std::string description;
  domain::event_types_wanted types;
  bool is_active = true;
  std::optional<std::string> inactive_reason;  ///< nullopt: active, or switched off by a request
  timestamp created_at;
  std::optional<timestamp> failing_since;
  std::optional<timestamp> former_until;
  std::int64_t retrying = 0;  ///< deliveries that come again, and those that do not; counted up to 10 001
  std::int64_t dead = 0;
  bool replaying = false;
};

/// Keys of signatures, the newest first.
struct webhook_secrets {
  std::string now;
  std::optional<std::string> former;
};

/// A webhook to be, or what is to change of one.
struct webhook_changes {
  std::optional<std::string> url;
  std::optional<std::string> description;
  std::optional<std::optional<domain::event_types_wanted>> types;
  std::optional<bool> is_active;
};

/// How far a webhook, or a replay of one, has come.
struct webhook_place {
  std::int64_t webhook = 0;
  bool is_replay = false;
  std::int64_t revision = 0;
  events_place place{};
  std::optional<timestamp> from{}, to{};  ///< of a replay by time
};

/// What a webhook has not accepted.
struct webhook_delivery {
  std::int64_t webhook = 0;
  std::string event_id;
  std::int64_t number = 0;
  domain::event_type type = domain::event_type::purchase_completed;
  std::string body;
  std::int16_t attempts = 0;
  timestamp failed_at;
  timestamp attempted_at;
  std::optional<timestamp> next_attempt_at;  ///< nullopt: dead
  std::optional<std::int32_t> last_status;
  std::string last_error;

  /// Whether it is a row, and not an event that is sent the first time.
  [[nodiscard]] bool is_kept() const { return number > 0; }
};

namespace detail {

#define COFFER_WEBHOOK_COLUMNS                                                            \
  " id, url, description, types, is_active, inactive_reason, created_at, failing_since,"  \
  " case when former_until > now() then former_until end,"                                \
  " (select count(*) from (select from webhook_deliveries where webhook_id = webhooks.id" \
  " and next_attempt_at is not null limit 10001) as few),"                                \
  " (select count(*) from (select from webhook_deliveries where webhook_id = webhooks.id" \
  " and next_attempt_at is null limit 10001) as few),"                                    \
  " exists (select 1 from webhook_places where webhook_id = webhooks.id and is_replay)"
#define COFFER_WEBHOOK_SECRETS ", secret, case when former_until > now() then former_secret end"
#define COFFER_PLACE_COLUMNS "streams, positions, marks, begun_stream, begun_events, begun_mark"

inline constexpr pg::statement take_webhook_turn{
    "webhook_take_turn", "select pg_advisory_xact_lock(hashtextextended('coffer webhooks', 0))"};
inline constexpr pg::statement insert_webhook_row{
    "webhook_insert",
    "insert into webhooks (url, description, types, is_active, secret) select $1, $2, $3, $4, $5"
    " where (select count(*) from webhooks) < $6 returning" COFFER_WEBHOOK_COLUMNS};
inline constexpr pg::statement select_webhooks{"webhook_list",
                                               "select" COFFER_WEBHOOK_COLUMNS COFFER_WEBHOOK_SECRETS
                                               " from webhooks where id = $1 or $1 is null order by id"};
inline constexpr pg::statement update_webhook{
    "webhook_change",
    "update webhooks set url = coalesce($2, url), description = coalesce($3, description),"
    " types = case when $4 then $5 else types end, is_active = coalesce($6, is_active),"
    " inactive_reason = case when $6 is null then inactive_reason end,"
    " failing_since = case when $6 then null else failing_since end"
    " where id = $1 returning" COFFER_WEBHOOK_COLUMNS};
// Where events behind its place are not kept any more, a webhook that is switched on begins with the oldest that is;
// where the place is beyond the log, which was restored, at the log's end.
inline constexpr pg::statement select_inactive_reason{"webhook_reason",
                                                      "select inactive_reason from webhooks where id = $1 for update"};
inline constexpr pg::statement set_webhook_place{
    "webhook_set_place",
    "insert into webhook_places as p (webhook_id, is_replay, " COFFER_PLACE_COLUMNS
    ", end_streams, end_positions, from_time, to_time)"
    " select id, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 from webhooks where id = $1"
    " on conflict (webhook_id, is_replay) do update set revision = p.revision + 1, streams = excluded.streams,"
    " positions = excluded.positions, marks = excluded.marks, begun_stream = excluded.begun_stream,"
    " begun_events = excluded.begun_events, begun_mark = excluded.begun_mark, end_streams = excluded.end_streams,"
    " end_positions = excluded.end_positions, from_time = excluded.from_time, to_time = excluded.to_time"};
// So that whoever has read its places with what was before reads them again.
inline constexpr pg::statement touch_webhook_places{
    "webhook_touch", "update webhook_places set revision = revision + 1 where webhook_id = $1"};
inline constexpr pg::statement delete_webhook_row{
    "webhook_delete", "delete from webhooks where id = $1 returning" COFFER_WEBHOOK_COLUMNS};
inline constexpr pg::statement rotate_webhook_secret{
    "webhook_rotate",
    "update webhooks set former_secret = secret, former_until = now() + make_interval(secs => $3), secret = $2"
    " where id = $1 returning" COFFER_WEBHOOK_COLUMNS};
inline constexpr pg::statement revive_deliveries{
    "webhook_revive",
    "update webhook_deliveries set next_attempt_at = now(), attempts = 0 where webhook_id = $1"
    " and next_attempt_at is null"};
inline constexpr pg::statement list_webhook_deliveries{
    "webhook_deliveries",
    "select webhook_id, event_id, number, type, body, attempts, failed_at, attempted_at, next_attempt_at, last_status,"
    " last_error from webhook_deliveries where webhook_id = $1 and number > $2"
    " and ($3 is null or (next_attempt_at is null) = $3) order by number limit $4"};
inline constexpr pg::statement select_due_deliveries{
    "webhook_due",
    "select webhook_id, event_id, number, type, body, attempts, failed_at, attempted_at, next_attempt_at, last_status,"
    " last_error from webhook_deliveries where webhook_id = $1 and next_attempt_at <= now()"
    " and (select is_active from webhooks where id = $1) order by next_attempt_at limit $2"};

// The relay.
inline constexpr pg::statement take_relay_lease{
    "webhook_lease",
    "update webhook_relay set epoch = case when epoch = $1 and held_until >= now() then epoch else epoch + 1 end,"
    " held_until = now() + make_interval(secs => $2) where (epoch = $1 and $1 > 0) or held_until < now()"
    " returning epoch"};
inline constexpr pg::statement end_relay_lease{"webhook_release",
                                               "update webhook_relay set held_until = now() where epoch = $1"};
inline constexpr pg::statement select_webhook_place{
    "webhook_place",
    "select revision, (select string_agg(concat_ws(' ', r.stream, r.position, r.mark), ' ')"
    " from unnest(streams, positions, marks) as r (stream, position, mark)), begun_stream, begun_events, begun_mark,"
    " from_time, to_time, (select bool_and(coalesce(e.position <= r.position, false))"
    " from unnest(end_streams, end_positions) as e (stream, position)"
    " left join unnest(streams, positions) as r (stream, position) on r.stream = e.stream)"
    ", w.types from webhook_places join webhooks w on w.id = webhook_id and w.is_active"
    " where webhook_id = $1 and is_replay = $2"};
inline constexpr pg::statement save_webhook_place{
    "webhook_save_place",
    "update webhook_places set streams = $4, positions = $5, marks = $6, begun_stream = $7, begun_events = $8,"
    " begun_mark = $9, revision = revision + 1 where webhook_id = $1 and is_replay = $2 and revision = $3"
    " and $10 = (select epoch from webhook_relay) returning revision"};
inline constexpr pg::statement end_webhook_replay{
    "webhook_end_replay", "delete from webhook_places where webhook_id = $1 and is_replay and revision = $2"};
inline constexpr pg::statement insert_delivery{
    "webhook_failed",
    "insert into webhook_deliveries (webhook_id, event_id, type, body, attempts, failed_at, attempted_at,"
    " next_attempt_at, last_status, last_error) select id, $2, $3, $4, 1, now(), now(),"
    " now() + make_interval(secs => $5), $6, $7 from webhooks where id = $1 on conflict do nothing"};
inline constexpr pg::statement update_delivery{
    "webhook_failed_again",
    "update webhook_deliveries set attempts = attempts + 1, attempted_at = now(),"
    " next_attempt_at = now() + make_interval(secs => $4), last_status = $5, last_error = $6"
    " where webhook_id = $1 and event_id = $2 and attempts = $3"};
inline constexpr pg::statement delete_delivery{
    "webhook_accepted", "delete from webhook_deliveries where webhook_id = $1 and event_id = $2"};
inline constexpr pg::statement set_webhook_failing{
    "webhook_failing",
    "update webhooks set failing_since = case when $2 then coalesce(failing_since, now()) end where id = $1"};
inline constexpr pg::statement make_failed_due{
    "webhook_make_due",
    "update webhook_deliveries d set next_attempt_at = least(d.next_attempt_at, now()) from webhooks w"
    " where w.id = $1 and d.webhook_id = w.id and d.next_attempt_at is not null and d.attempted_at >= w.failing_since"
    " and w.failing_since < now() - interval '1 minute'"};
inline constexpr pg::statement switch_webhook_off{
    "webhook_switch_off", "update webhooks set is_active = false, inactive_reason = $2 where id = $1 and is_active"};
inline constexpr pg::statement switch_failing_off{
    "webhook_switch_failing_off",
    "update webhooks set is_active = false, inactive_reason = 'failing'"
    " where is_active and failing_since < now() - make_interval(secs => $1) returning id"};
inline constexpr pg::statement drop_dead_deliveries{"webhook_drop_dead",
                                                    "delete from webhook_deliveries where next_attempt_at is null"
                                                    " and attempted_at < now() - make_interval(secs => $1)"};
inline constexpr pg::statement select_webhook_lag{
    "webhook_lag", COFFER_EVENT_STREAMS
    " select w.id, coalesce(sum(l.events), 0)::bigint,"
    " coalesce(extract(epoch from now() - min(l.created_at)), 0)::float8 from webhooks w"
    " join webhook_places p on p.webhook_id = w.id and not p.is_replay"
    " cross join streams s left join unnest(p.streams, p.positions) as r (stream, position) on r.stream = s.stream"
    " left join lateral (select sum(b.events) as events, min(b.created_at) as created_at from"
    " (select events, created_at from event_log where stream = s.stream and position > coalesce(r.position, 0)"
    " order by position limit $1) as b) as l on true where w.is_active and s.stream is not null group by w.id"};
// For each stream the row at a position of it.
inline constexpr pg::statement select_log_times{
    "events_times",
    "select e.stream, e.position, e.created_at from unnest($1, $2) as wanted (stream, position)"
    " join lateral (select * from event_log where stream = wanted.stream and position = wanted.position) as e on true"};
inline constexpr pg::statement select_log_bounds{
    "events_bounds", COFFER_EVENT_STREAMS
    " select stream, (select min(position) from event_log where stream = s.stream),"
    " (select max(position) from event_log where stream = s.stream) from streams s where stream is not null"};

/// Null is the usual ones.
inline domain::event_types_wanted read_types_wanted(const pg::rows& found, int row, int column) {
  const auto bits = found.optional_int32(row, column);
  return bits ? domain::event_types_wanted::from_bits(static_cast<std::uint16_t>(*bits))
              : domain::event_types_wanted::usual();
}

inline webhook_row read_webhook(const pg::rows& found, int row) {
  webhook_row made{.id = found.int64(row, 0),
                   .url = std::string{found.text(row, 1)},
                   .description = std::string{found.text(row, 2)},
                   .types = read_types_wanted(found, row, 3),
                   .is_active = found.boolean(row, 4),
                   .inactive_reason = {},
                   .created_at = found.time(row, 6),
                   .failing_since = found.optional_time(row, 7),
                   .former_until = found.optional_time(row, 8),
                   .retrying = found.int64(row, 9),
                   .dead = found.int64(row, 10),
                   .replaying = found.boolean(row, 11)};
  if (const auto reason = found.optional_text(row, 5)) {
    made.inactive_reason = std::string{*reason};
  }
  return made;
}

inline webhook_secrets read_secrets(const pg::rows& found, int row) {
  webhook_secrets made{.now = std::string{found.bytes(row, 12)}, .former = {}};
  if (const auto former = found.optional_bytes(row, 13)) {
    made.former = std::string{*former};
  }
  return made;
}

inline webhook_delivery read_delivery(const pg::rows& found, int row) {
  return {.webhook = found.int64(row, 0),
          .event_id = std::string{found.text(row, 1)},
          .number = found.int64(row, 2),
          .type = static_cast<domain::event_type>(found.int16(row, 3)),
          .body = std::string{found.text(row, 4)},
          .attempts = found.int16(row, 5),
          .failed_at = found.time(row, 6),
          .attempted_at = found.time(row, 7),
          .next_attempt_at = found.optional_time(row, 8),
          .last_status = found.optional_int32(row, 9),
          .last_error = std::string{found.text(row, 10)}};
}

inline std::optional<std::int32_t> bits_of(const std::optional<domain::event_types_wanted>& types) {
  return types ? std::optional{std::int32_t{types->bits()}} : std::nullopt;
}

/// Adds the six columns of a place.
inline void add_place(pg::params& to, const events_place& place) {
  std::vector<std::int16_t> streams;
  std::vector<std::int64_t> positions, marks;
  for (const auto& [stream, last] : place.read) {
    streams.push_back(stream);
    positions.push_back(last.position);
    marks.push_back(last.mark);
  }
  to.add(streams).add(positions).add(marks);
  to.add(place.begun.stream).add(place.begun.events).add(std::int64_t{place.begun.mark});
}

/// The row of a place; `end` is where a replay ends.
inline pg::params place_row(const webhook_place& of, const events_place* end) {
  pg::params row;
  row.add(of.webhook).add(of.is_replay);
  add_place(row, of.place);
  if (end != nullptr) {
    std::vector<std::int16_t> streams;
    std::vector<std::int64_t> positions;
    for (const auto& [stream, last] : end->read) {
      streams.push_back(stream);
      positions.push_back(last.position);
    }
    row.add(streams).add(positions);
  } else {
    row.add_null(pg::oid::int2_array).add_null(pg::oid::int8_array);
  }
  row.add(of.from).add(of.to);
  return row;
}

inline events_place read_place(const pg::rows& found, int row) {
  events_place place;
  const std::string text{found.optional_text(row, 1).value_or("")};
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto number = [&at, end] {
    std::int64_t value = 0;
    at = std::from_chars(at, end, value).ptr;
    at += at == end ? 0 : 1;
    return value;
  };
  while (at != end) {
    const auto stream = static_cast<std::int16_t>(number());
    const std::int64_t position = number();
    place.read[stream] = {position, static_cast<std::uint32_t>(number())};
  }
  place.begun = {found.int16(row, 2), found.int64(row, 3), static_cast<std::uint32_t>(found.int64(row, 4))};
  return place;
}

}  // namespace detail

/// Stores a webhook, which is told of what happens from now on. Refusal: too_many_webhooks.
inline net::task<result<webhook_row>> insert_webhook(pg::connection& db, webhook_changes wanted, std::string secret,
                                                     net::deadline until) {
  const write_frame frame{db};
  const std::optional<domain::event_types_wanted> types = wanted.types.value_or(std::nullopt);
  pg::params row;
  row.add(wanted.url.value_or("")).add(wanted.description.value_or("")).add(detail::bits_of(types));
  row.add(wanted.is_active.value_or(true)).add_bytes(secret).add(max_webhooks);
  pg::pipeline first;
  first.add(frame.begin());
  first.add(detail::take_webhook_turn);
  first.add(detail::insert_webhook_row, std::move(row));
  const std::vector<pg::rows> begun = co_await db.run(std::move(first), until);
  if (begun.at(2).empty()) {
    co_await frame.undo(db, until);
    co_return std::unexpected(error{errc::too_many_webhooks});
  }
  const webhook_row made = detail::read_webhook(begun.at(2), 0);
  const events_place end = co_await find_log_end(db, until);
  pg::pipeline second;
  second.add(detail::set_webhook_place, detail::place_row({.webhook = made.id, .place = end}, nullptr));
  second.add(frame.end());
  co_await db.run(std::move(second), until);
  co_return made;
}

/// All of them, or the one with this id, by id. With secrets.
inline net::task<std::vector<std::pair<webhook_row, webhook_secrets>>> list_webhooks(pg::connection& db,
                                                                                     std::optional<std::int64_t> id,
                                                                                     net::deadline until) {
  const pg::rows found = co_await db.query(detail::select_webhooks, pg::params::of(id), until);
  co_return pg::read_all(found, [](const pg::rows& rows, int row) {
    return std::pair{detail::read_webhook(rows, row), detail::read_secrets(rows, row)};
  });
}

/// Changes what is given. Refusal: webhook_not_found.
inline net::task<result<webhook_row>> change_webhook(pg::connection& db, std::int64_t id, webhook_changes changes,
                                                     net::deadline until) {
  const write_frame frame{db};
  pg::pipeline look;
  look.add(frame.begin());
  look.add(detail::select_inactive_reason, pg::params::of(id));
  const std::vector<pg::rows> looked = co_await db.run(std::move(look), until);
  if (looked.at(1).empty()) {
    co_await frame.undo(db, until);
    co_return std::unexpected(error{errc::webhook_not_found});
  }
  const std::string_view reason = looked.at(1).optional_text(0, 0).value_or("");
  if (changes.is_active.value_or(false) && (reason == "cursor_expired" || reason == "cursor_ahead")) {
    events_place place;
    if (reason == "cursor_ahead") {
      place = co_await find_log_end(db, until);
    } else {
      const pg::rows bounds = co_await db.query(detail::select_log_bounds, until);
      for (int r = 0; r < bounds.size(); ++r) {
        place.read[bounds.int16(r, 0)] = {bounds.int64(r, 1) - 1, 0};
      }
    }
    pg::params with = detail::place_row({.webhook = id, .place = std::move(place)}, nullptr);
    co_await db.query(detail::set_webhook_place, std::move(with), until);
  }
  pg::params with;
  with.add(id).add(changes.url).add(changes.description).add(changes.types.has_value());
  with.add(detail::bits_of(changes.types.value_or(std::nullopt))).add(changes.is_active);
  pg::pipeline change;
  change.add(detail::update_webhook, std::move(with));
  change.add(detail::touch_webhook_places, pg::params::of(id));
  change.add(frame.end());
  const std::vector<pg::rows> changed = co_await db.run(std::move(change), until);
  co_return detail::read_webhook(changed.at(0), 0);
}

/// Deletes a webhook with all that is still to be sent to it. Nullopt: there is none.
inline net::task<std::optional<webhook_row>> delete_webhook(pg::connection& db, std::int64_t id, net::deadline until) {
  const pg::rows found = co_await db.query(detail::delete_webhook_row, pg::params::of(id), until);
  co_return found.empty() ? std::nullopt : std::optional{detail::read_webhook(found, 0)};
}

/// Gives a webhook another secret; the one before goes on signing for former_secret_lasts. Nullopt: there is no such
/// webhook.
inline net::task<std::optional<webhook_row>> rotate_secret(pg::connection& db, std::int64_t id, std::string secret,
                                                           net::deadline until) {
  pg::params with;
  with.add(id).add_bytes(secret).add(static_cast<double>(std::chrono::seconds{former_secret_lasts}.count()));
  const pg::rows found = co_await db.query(detail::rotate_webhook_secret, std::move(with), until);
  co_return found.empty() ? std::nullopt : std::optional{detail::read_webhook(found, 0)};
}

/// Makes dead deliveries of a webhook due again, and gives how many.
inline net::task<std::int64_t> revive_dead(pg::connection& db, std::int64_t id, net::deadline until) {
  const pg::rows found = co_await db.query(detail::revive_deliveries, pg::params::of(id), until);
  co_return found.affected();
}

/// The place behind which every event is from `time` on or later, found by halving: the times of a stream rise with its
/// positions.
inline net::task<events_place> find_place_at(pg::connection& db, timestamp time, net::deadline until) {
  struct range {
    std::int64_t low;   ///< the last position that is known to be earlier
    std::int64_t high;  ///< the first that is known not to be
    std::uint32_t mark = 0;
  };
  std::map<std::int16_t, range> ranges;
  const pg::rows bounds = co_await db.query(detail::select_log_bounds, until);
  for (int r = 0; r < bounds.size(); ++r) {
    ranges.emplace(bounds.int16(r, 0), range{bounds.int64(r, 1) - 1, bounds.int64(r, 2) + 1});
  }
  for (;;) {
    std::vector<std::int16_t> streams;
    std::vector<std::int64_t> positions;
    for (const auto& [stream, within] : ranges) {
      if (within.low + 1 < within.high) {
        streams.push_back(stream);
        positions.push_back(within.low + (within.high - within.low) / 2);
      }
    }
    if (streams.empty()) {
      break;
    }
    const pg::rows found = co_await db.query(detail::select_log_times, pg::params::of(streams, positions), until);
    for (int r = 0; r < found.size(); ++r) {
      range& within = ranges.at(found.int16(r, 0));
      const timestamp at = found.time(r, 2);
      if (at < time) {
        within.low = found.int64(r, 1);
        within.mark = mark_of(at);
      } else {
        within.high = found.int64(r, 1);
      }
    }
    if (found.size() < std::ssize(streams)) {  // retention has taken some
      co_return co_await find_place_at(db, time, until);
    }
  }
  events_place place;
  for (const auto& [stream, within] : ranges) {
    place.read[stream] = {within.low, within.mark};
  }
  co_return place;
}

/// Begins a replay of what is behind `from` up to what there is now, instead of one that is under way; of a replay by
/// time, only what is within it. Refusal: webhook_not_found.
inline net::task<result<void>> begin_replay(pg::connection& db, webhook_place wanted, net::deadline until) {
  wanted.is_replay = true;
  const events_place end = co_await find_log_end(db, until);
  const pg::rows done = co_await db.query(detail::set_webhook_place, detail::place_row(wanted, &end), until);
  if (done.affected() == 0) {
    co_return std::unexpected(error{errc::webhook_not_found});
  }
  co_return result<void>{};
}

/// Deliveries behind `number`, dead ones, others, or all.
inline net::task<std::vector<webhook_delivery>> list_deliveries(pg::connection& db, std::int64_t webhook,
                                                                std::int64_t number, std::optional<bool> dead,
                                                                std::int64_t limit, net::deadline until) {
  const pg::rows found =
      co_await db.query(detail::list_webhook_deliveries, pg::params::of(webhook, number, dead, limit), until);
  co_return pg::read_all(found, detail::read_delivery);
}

/// The ones of an active webhook whose time has come, the most overdue first.
inline net::task<std::vector<webhook_delivery>> find_due(pg::connection& db, std::int64_t webhook, std::int64_t limit,
                                                         net::deadline until) {
  const pg::rows found = co_await db.query(detail::select_due_deliveries, pg::params::of(webhook, limit), until);
  co_return pg::read_all(found, detail::read_delivery);
}

/// Makes this process the relay, or lets it go on: `epoch` is what it was told the last time, 0 at first. Nullopt:
/// somebody else is.
inline net::task<std::optional<std::int64_t>> take_lease(pg::connection& db, std::int64_t epoch,
                                                         std::chrono::seconds lasts, net::deadline until) {
  const pg::rows found =
      co_await db.query(detail::take_relay_lease, pg::params::of(epoch, static_cast<double>(lasts.count())), until);
  co_return found.empty() ? std::nullopt : std::optional{found.int64(0, 0)};
}

/// Lets another process be the relay at once.
inline net::task<> end_lease(pg::connection& db, std::int64_t epoch, net::deadline until) {
  co_await db.query(detail::end_relay_lease, pg::params::of(epoch), until);
}

/// How far a webhook or its replay has come.
struct found_place {
  webhook_place at;
  domain::event_types_wanted types;  ///< of the webhook, as of this revision of the place
  bool ended = false;                ///< a replay that is through
  bool is_fresh = true;              ///< nothing was read behind it since
};

/// Nullopt: there is no such place, or its webhook is not active.
inline net::task<std::optional<found_place>> find_place(pg::connection& db, std::int64_t webhook, bool is_replay,
                                                        net::deadline until) {
  const pg::rows found = co_await db.query(detail::select_webhook_place, pg::params::of(webhook, is_replay), until);
  if (found.empty()) {
    co_return std::nullopt;
  }
  co_return found_place{.at = {.webhook = webhook,
                               .is_replay = is_replay,
                               .revision = found.int64(0, 0),
                               .place = detail::read_place(found, 0),
                               .from = found.optional_time(0, 5),
                               .to = found.optional_time(0, 6)},
                        .types = detail::read_types_wanted(found, 0, 8),
                        .ended = is_replay && found.optional_boolean(0, 7).value_or(true)};
}

/// Moves a place on. Gives its new revision; nullopt: somebody else has moved it, or is the relay now.
inline net::task<std::optional<std::int64_t>> save_place(pg::connection& db, webhook_place at, std::int64_t epoch,
                                                         net::deadline until) {
  pg::params with;
  with.add(at.webhook).add(at.is_replay).add(at.revision);
  detail::add_place(with, at.place);
  with.add(epoch);
  const pg::rows found = co_await db.query(detail::save_webhook_place, std::move(with), until);
  co_return found.empty() ? std::nullopt : std::optional{found.int64(0, 0)};
}

/// Ends a replay that nobody has begun anew meanwhile.
inline net::task<> end_replay_of(pg::connection& db, std::int64_t webhook, std::int64_t revision, net::deadline until) {
  co_await db.query(detail::end_webhook_replay, pg::params::of(webhook, revision), until);
}

/// Keeps what was not accepted; `retry_in` nullopt: it is dead. `attempts` are those before this one.
inline net::task<> keep_failed(pg::connection& db, webhook_delivery failed,
                               std::optional<std::chrono::seconds> retry_in, net::deadline until) {
  const std::optional<double> seconds = retry_in ? std::optional{static_cast<double>(retry_in->count())} : std::nullopt;
  pg::params with;
  if (!failed.is_kept()) {
    with.add(failed.webhook).add(failed.event_id).add(static_cast<std::int16_t>(failed.type)).add(failed.body);
    with.add(seconds).add(failed.last_status).add(failed.last_error);
    co_await db.query(detail::insert_delivery, std::move(with), until);
  } else {
    with.add(failed.webhook).add(failed.event_id).add(failed.attempts);
    with.add(seconds).add(failed.last_status).add(failed.last_error);
    co_await db.query(detail::update_delivery, std::move(with), until);
  }
}

/// What was kept has been accepted.
inline net::task<> drop_delivery(pg::connection& db, std::int64_t webhook, std::string event_id, net::deadline until) {
  co_await db.query(detail::delete_delivery, pg::params::of(webhook, event_id), until);
}

/// Notes that a webhook fails, from now on if it did not before, or accepts again. What it did not accept while it
/// failed, for a minute at least, is due at once then: that was not the deliveries' fault.
inline net::task<> set_failing(pg::connection& db, std::int64_t webhook, bool failing, net::deadline until) {
  pg::pipeline p;
  if (!failing) {
    p.add(detail::make_failed_due, pg::params::of(webhook));
  }
  p.add(detail::set_webhook_failing, pg::params::of(webhook, failing));
  co_await db.run(std::move(p), until);
}

/// Whether it was active before.
inline net::task<bool> switch_off(pg::connection& db, std::int64_t webhook, std::string reason, net::deadline until) {
  const pg::rows done = co_await db.query(detail::switch_webhook_off, pg::params::of(webhook, reason), until);
  co_return done.affected() > 0;
}

/// Switches off those that have failed for longer than `patience`, and gives their ids.
inline net::task<std::vector<std::int64_t>> switch_off_failing(pg::connection& db, std::chrono::seconds patience,
                                                               net::deadline until) {
  const pg::rows found =
      co_await db.query(detail::switch_failing_off, pg::params::of(static_cast<double>(patience.count())), until);
  co_return pg::read_all(found, [](const pg::rows& rows, int row) { return rows.int64(row, 0); });
}

/// Drops dead deliveries whose last attempt is older than `kept`, and gives how many.
inline net::task<std::int64_t> drop_dead(pg::connection& db, std::chrono::seconds kept, net::deadline until) {
  const pg::rows done =
      co_await db.query(detail::drop_dead_deliveries, pg::params::of(static_cast<double>(kept.count())), until);
  co_return done.affected();
}

/// What active webhooks have not been told yet.
struct webhook_lag {
  std::int64_t webhook = 0;
  std::int64_t events = 0;  ///< of the next rows_counted rows of each stream, of any type
  double seconds = 0;       ///< how old the oldest is
};
/// Rows of a stream that a look at the lag counts.
inline constexpr std::int64_t rows_counted = 10'000;

inline net::task<std::vector<webhook_lag>> find_lag(pg::connection& db, net::deadline until) {
  const pg::rows found = co_await db.query(detail::select_webhook_lag, pg::params::of(rows_counted), until);
  co_return pg::read_all(found, [](const pg::rows& rows, int row) {
    return webhook_lag{.webhook = rows.int64(row, 0), .events = rows.int64(row, 1), .seconds = rows.float64(row, 2)};
  });
}

}  // namespace coffer::store
