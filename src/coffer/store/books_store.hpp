// Everything that the books consist of, read in the order of users, page by page, and the rules that are checked by
// comparing tables, range by range. Knows no rule of the economy.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coffer/base/assert.hpp"
#include "coffer/domain/replay.hpp"
#include "coffer/pg/connection.hpp"

namespace coffer::store {

/// The users whose books are read: ids from `first`, which is not the smallest integer, to `last`. By default all that
/// can be stored, those included that nobody should have.
struct user_range {
  std::int64_t first = std::numeric_limits<std::int64_t>::min() + 1;
  std::int64_t last = std::numeric_limits<std::int64_t>::max();

  friend bool operator==(const user_range&, const user_range&) = default;
};

/// Rows of one page; a shorter page is the last one.
inline constexpr std::int64_t books_page = 10'000;
/// Of wallets, which come with a journal each.
inline constexpr std::int64_t wallets_page = 1'000;
/// Events that one statement sorts.
inline constexpr std::int64_t events_page = 20'000'000;

/// The stock of a product, as stored.
struct stored_stock {
  product_id product;
  std::optional<std::int64_t> supply;  ///< nullopt: the product is unlimited again
  std::int64_t sold = 0;
};

/// Times from `first` to before `end`.
struct time_range {
  timestamp first;
  timestamp end;
};

/// A rule that compares tables: what it found, at most ten examples.
struct table_findings {
  std::int64_t count = 0;
  std::vector<domain::book_violation> examples;
};

/// The rules that are not the replay's.
namespace rule {
inline constexpr std::string_view usernames = "usernames_match_users";
inline constexpr std::string_view emails = "emails_match_users";
inline constexpr std::string_view sales_counters = "sales_counters_are_journal_sum";
inline constexpr std::string_view refunded_sales = "refunded_sales_are_journal_sum";
inline constexpr std::string_view keys = "idempotency_key_once_per_user";
inline constexpr std::string_view refunds = "refunds_are_of_purchases";
inline constexpr std::string_view stocks = "stocks_are_journal_sum";
inline constexpr std::string_view event_versions = "events_tile_versions";
inline constexpr std::string_view event_order = "events_in_order";
inline constexpr std::string_view event_positions = "event_positions_dense";
inline constexpr std::string_view webhook_places = "webhook_places_in_log";
}  // namespace rule

namespace detail {

inline constexpr pg::statement begin_reading{"books_begin", "begin isolation level repeatable read read only"};
inline constexpr pg::statement end_reading{"books_end", "commit"};

inline constexpr pg::statement select_products{"books_products", "select id, type from products where id > $1"};
inline constexpr pg::statement select_new_products{"books_new_products",
                                                   "select id, type from products where id = any($1)"};
inline constexpr pg::statement select_stocks{"books_stocks", "select product_id, supply, sold from product_stock"};
inline constexpr pg::statement select_sales_hours{"books_sales_hours",
                                                  "select min(hour), max(hour) from sales_counters"};

// The first piece that does not follow the one before it.
inline constexpr pg::statement select_gap{
    "books_gap",
    "select user_id, version, detail_1 - quantity + 1, detail_1, before from (select user_id, version, quantity,"
    " detail_1, lag(detail_1, 1, 0::bigint) over (order by detail_1, quantity) as before from transactions"
    " where product_id = $1 and kind = 2 and status = 2 and detail_1 <= $2) pieces"
    " where detail_1 - quantity <> before order by detail_1 limit 1"};

inline constexpr pg::statement page_of_wallets{"books_wallets",
                                               "select id, balance, version from users where id > $1 and id <= $2"
                                               " order by id limit $3"};

inline constexpr pg::statement page_of_journal{
    "books_journal",
    "select user_id, version, kind, status, product_id, quantity, amount, balance_after, item_quantity_after,"
    " reason, detail_1, detail_2, created_at, idempotency_key is not null, fingerprint is not null"
    " from transactions where (user_id, version) > ($1, $2) and user_id <= $3 order by user_id, version limit $4"};

inline constexpr pg::statement page_of_holdings{
    "books_holdings",
    "select user_id, product_id, quantity, bought from inventory where (user_id, product_id) > ($1, $2)"
    " and user_id <= $3 order by user_id, product_id limit $4"};

// The comparisons give: how many rows differ, user, product, what is expected, what is found. The directories are in
// lower case, for ASCII alone, and have an index by name only: users look for their entries, entries for their users.
inline constexpr pg::statement compare_usernames{
    "books_usernames",
    "select count(*) over (), u.id, null::bigint, lower(u.username collate \"C\"),"
    " coalesce('that of user ' || n.user_id, 'no entry')"
    " from users u left join usernames n on n.username = lower(u.username collate \"C\")"
    " where u.id between $1 and $2 and n.user_id is distinct from u.id limit 10"};

inline constexpr pg::statement compare_emails{
    "books_emails",
    "select count(*) over (), u.id, null::bigint, lower(u.email collate \"C\"),"
    " coalesce('that of user ' || n.user_id, 'no entry')"
    " from users u left join emails n on n.email = lower(u.email collate \"C\")"
    " where u.id between $1 and $2 and n.user_id is distinct from u.id limit 10"};

inline constexpr pg::statement end_of_usernames{
    "books_usernames_page",
    "select max(username), count(*) from (select username from usernames where username > $1 order by username"
    " limit $2) page"};

inline constexpr pg::statement end_of_emails{
    "books_emails_page",
    "select max(email), count(*) from (select email from emails where email > $1 order by email limit $2) page"};

// An entry under a wrong name is its user's to miss, unless the user has the right one besides.
inline constexpr pg::statement spare_usernames{
    "books_spare_usernames",
    "select count(*) over (), n.user_id, null::bigint, coalesce(lower(u.username collate \"C\"), 'no entry'),"
    " n.username from usernames n left join users u on u.id = n.user_id"
    " where n.username > $1 and n.username <= $2 and lower(u.username collate \"C\") is distinct from n.username"
    " and (u.id is null or exists (select from usernames o where o.username = lower(u.username collate \"C\")"
    " and o.user_id = u.id)) limit 10"};

inline constexpr pg::statement spare_emails{
    "books_spare_emails",
    "select count(*) over (), n.user_id, null::bigint, coalesce(lower(u.email collate \"C\"), 'no entry'), n.email"
    " from emails n left join users u on u.id = n.user_id"
    " where n.email > $1 and n.email <= $2 and lower(u.email collate \"C\") is distinct from n.email"
    " and (u.id is null or exists (select from emails o where o.email = lower(u.email collate \"C\")"
    " and o.user_id = u.id)) limit 10"};

// Keys of players and of servers do not meet.
inline constexpr pg::statement compare_keys{
    "books_keys",
    "select count(*) over (), user_id, null::bigint, 'once',"
    " concat(idempotency_key collate \"C\", ': ', count(*), ' times')"
    " from transactions where user_id between $1 and $2 and idempotency_key is not null"
    " group by user_id, idempotency_key collate \"C\", (actor is not distinct from 0) having count(*) > 1 limit 10"};

// A row's created_at is the time of its batch, whose hour its sales are counted in. A revenue that has reached the end
// of its 64 bits says that it was so much at least.
inline constexpr pg::statement compare_sales{
    "books_sales",
    "select count(*) over (), null::bigint, product_id,"
    " concat(j.hour, ': ', coalesce(j.purchases, 0), ' purchases, ', coalesce(j.units, 0), ' units, ',"
    " coalesce(j.revenue, 0), ' credits'),"
    " concat(c.hour, ': ', coalesce(c.purchases, 0), ' purchases, ', coalesce(c.units, 0), ' units, ',"
    " coalesce(c.revenue, 0), ' credits')"
    " from (select date_trunc($3, hour, 'UTC') as hour, product_id, sum(purchases) as purchases, sum(units) as units,"
    " sum(revenue) as revenue, bool_or(revenue = 9223372036854775807) as is_full from sales_counters"
    " where hour >= $1 and hour < $2 group by 1, 2) c"
    " full join (select date_trunc($3, created_at, 'UTC') as hour, product_id, count(*) as purchases,"
    " sum(quantity) as units, sum(amount) as revenue from transactions where kind = 2 and status = 2"
    " and created_at >= $1 and created_at < $2 group by 1, 2) j using (hour, product_id)"
    " where (c.purchases, c.units) is distinct from (j.purchases, j.units)"
    " or (c.revenue is distinct from j.revenue and not (c.is_full and c.revenue <= j.revenue)) limit 10"};

// `refunds`, which has a rule of its own, says how much of each purchase was refunded. Every unit had the same price.
inline constexpr pg::statement compare_refunded_sales{
    "books_refunded_sales",
    "select count(*) over (), null::bigint, product_id,"
    " concat(j.hour, ': ', coalesce(j.purchases, 0), ' purchases, ', coalesce(j.units, 0), ' units, ',"
    " coalesce(j.revenue, 0), ' credits refunded'),"
    " concat(c.hour, ': ', coalesce(c.purchases, 0), ' purchases, ', coalesce(c.units, 0), ' units, ',"
    " coalesce(c.revenue, 0), ' credits refunded')"
    " from (select date_trunc($3, hour, 'UTC') as hour, product_id, sum(purchases) as purchases, sum(units) as units,"
    " sum(revenue) as revenue, bool_or(revenue = 9223372036854775807) as is_full from refunded_sales"
    " where hour >= $1 and hour < $2 group by 1, 2) c"
    " full join (select date_trunc($3, t.created_at, 'UTC') as hour, t.product_id,"
    " count(*) filter (where r.units = t.quantity) as purchases, sum(r.units) as units,"
    " sum(t.amount / nullif(t.quantity, 0) * r.units) as revenue"
    " from transactions t join refunds r using (user_id, version)"
    " where t.kind = 2 and t.created_at >= $1 and t.created_at < $2 group by 1, 2) j using (hour, product_id)"
    " where (c.purchases, c.units) is distinct from (j.purchases, j.units)"
    " or (c.revenue is distinct from j.revenue and not (c.is_full and c.revenue <= j.revenue)) limit 10"};

// Of what users asked to have refunded: not twice, and as much as `refunds` counts. Of a purchase not more units than
// were bought, at the price that was paid; of a deposit all its credits at once, taken back or missing.
inline constexpr pg::statement compare_refunds{
    "books_refunds",
    "select count(*) over (), user_id, t.product_id,"
    " concat('version ', version, ': ', coalesce(j.units, 0), ' units for ',"
    " coalesce(j.amount, 0), ' credits refunded'),"
    " concat(coalesce(r.units, 0), ' counted, of ', coalesce(t.quantity, 0), ' bought for ', coalesce(t.amount, 0))"
    " from (select * from refunds where user_id between $1 and $2) r"
    " full join (select user_id, detail_1 as version,"
    " sum(case when product_id is null then amount + coalesce(detail_2, 0) else quantity end) as units,"
    " sum(amount) as amount, min(product_id) as first, max(product_id) as last from transactions"
    " where kind = 4 and status = 2 and user_id between $1 and $2 group by user_id, detail_1) j"
    " using (user_id, version) left join transactions t using (user_id, version)"
    " where coalesce(t.kind not in (1, 2), true) or t.status is distinct from 2 or r.units is distinct from j.units"
    " or (t.kind = 1 and (j.units <> t.amount or j.first is not null))"
    " or (t.kind = 2 and (j.units > t.quantity or j.amount * t.quantity <> t.amount * j.units"
    " or j.first is distinct from t.product_id or j.last is distinct from t.product_id)) limit 10"};

// The event log is read whole for a part of the users: those with this remainder.
#define COFFER_IS_OF_PART(id) "coalesce(abs(" id " % $1), 0) = $2"

// The ranges of versions in the event log, each with the one of the same user before it. What is wrong in a range must
// not end the statement, so its end stays within 64 bits.
#define COFFER_EVENT_RANGES \
  "with placed as (select *, lag(last) over by_user as before, lag(stream) over by_user as stream_before,"            \
  " lag(position) over by_user as position_before, lag(place) over by_user as place_before,"                          \
  " lag(created_at) over by_user as time_before, lead(place) over by_user is null as is_newest"                       \
  " from (select r.user_id, r.first, r.events, r.place, e.stream, e.position, e.created_at,"                            \
  " greatest(least(r.first, 9e18::bigint), -9e18::bigint) + r.events - 1 as last from event_log e cross join lateral"  \
  " unnest(e.users, e.first_versions, e.counts) with ordinality as r (user_id, first, events, place)"                 \
  " where " COFFER_IS_OF_PART("r.user_id") ") as ranges"                                                              \
  " window by_user as (partition by user_id order by first, stream, position, place))"

// What is not kept any more is older than the rows that its streams begin with now. The hour is for rows that came into
// their stream in another order than that of their times. Only behind a range as old as that one may be missing.
inline constexpr pg::statement compare_event_versions{
    "books_event_versions",
    COFFER_EVENT_RANGES
    ", pruned as (select max(e.created_at) + interval '1 hour' as until from (select stream, min(position) as position"
    " from event_log group by stream having min(position) > 1) as ends join event_log e using (stream, position))"
    " select count(*) over (), coalesce(p.user_id, u.id), null::bigint,"
    " case when p.first <= p.before or p.first > p.before + 1 then concat('versions from ', p.before + 1)"
    " else concat('versions to ', coalesce(u.event_version::text, 'none'), ', of ', coalesce(u.version, 0)) end,"
    " case when p.stream is null then concat('none, last in stream ', coalesce(u.event_stream::text, 'none'))"
    " else concat('versions ', p.first, '..', p.last, ' at ', p.stream, '-', p.position) end"
    " from placed p full join (select * from users where " COFFER_IS_OF_PART("id") ") as u"
    " on u.id = case when p.is_newest then p.user_id end cross join pruned"
    " where (p.stream is not null and (p.user_id is null or p.first is null or p.events is null or p.first < 0"
    " or p.events < 1 or p.first <= p.before or (p.first > p.before + 1 and (p.time_before <= until) is not true)))"
    " or (p.is_newest and (u.event_version is null or u.event_version < p.last"
    " or (u.event_version > p.last and (p.created_at <= until) is not true)))"
    " or (p.stream is null and u.event_version is not null and until is null)"
    " or u.event_version > u.version or (u.event_version is null) <> (u.event_stream is null) limit 10"};

// A reader takes a stream in the order of its positions, and rows only after those that they name.
inline constexpr pg::statement compare_event_order{
    "books_event_order", COFFER_EVENT_RANGES
    " select count(*) over (), p.user_id, null::bigint,"
    " case when p.first = p.before + 1 then concat('version ', p.first, ' after ', p.stream_before, '-',"
    " p.position_before) else concat('version ', p.last, ' in stream ', u.event_stream) end,"
    " concat('at ', p.stream, '-', p.position)"
    " from placed p left join users u on u.id = p.user_id and p.is_newest and u.event_version = p.last"
    " where (p.first = p.before + 1 and not case when p.stream = p.stream_before"
    " then (p.position, p.place) > (p.position_before, p.place_before)"
    " else exists (select from event_log e cross join lateral"
    " unnest(e.after_streams, e.after_positions) as a (stream, position)"
    " where e.stream = p.stream and e.position = p.position"
    " and a.stream = p.stream_before and a.position >= p.position_before) end)"
    " or u.event_stream <> p.stream limit 10"};

#undef COFFER_EVENT_RANGES
#undef COFFER_IS_OF_PART

inline constexpr pg::statement count_events{"books_events", "select coalesce(sum(events), 0)::bigint from event_log"};

// Nothing names a place that its stream has not come to, or readers would wait for it for ever.
inline constexpr pg::statement compare_event_positions{
    "books_event_positions",
    "with log as (select stream, position, events, after_streams, after_positions,"
    " lag(position) over (partition by stream order by position) as before,"
    " case when product is null then coalesce((select sum(n) from unnest(counts) as n), 0) else 1 end as told"
    " from event_log), ends as (select stream, max(position) as position from event_log group by stream)"
    " select count(*) over (), null::bigint, null::bigint,"
    " case when position <> before + 1 then concat('position ', stream, '-', before + 1)"
    " when events <> told then concat(told, ' events at ', stream, '-', position)"
    " else concat('streams that come so far, at ', stream, '-', position) end,"
    " case when position <> before + 1 then concat(stream, '-', position) when events <> told then events::text"
    " else concat('after ', after_streams, ' ', after_positions) end"
    " from log where position <> before + 1 or events <> told or (after_streams is not null and exists"
    " (select from unnest(after_streams, after_positions) as a (stream, position)"
    " left join ends on ends.stream = a.stream where (a.position <= coalesce(ends.position, 0)) is not true))"
    " limit 10"};

inline constexpr pg::statement compare_webhook_places{
    "books_webhook_places",
    "select count(*) over (), null::bigint, null::bigint, concat('at most ', r.stream, '-', coalesce(e.position, 0)),"
    " concat('webhook ', p.webhook_id, case when p.is_replay then ', its replay,' end, ' at ', r.stream, '-',"
    " r.position) from webhook_places p cross join unnest(p.streams, p.positions) as r (stream, position)"
    " left join lateral (select max(position) as position from event_log where stream = r.stream) as e on true"
    " where r.position > coalesce(e.position, 0) limit 10"};

inline const pg::statement& comparison(std::string_view which) {
  if (which == rule::event_versions) {
    return compare_event_versions;
  }
  if (which == rule::event_order) {
    return compare_event_order;
  }
  if (which == rule::usernames) {
    return compare_usernames;
  }
  if (which == rule::emails) {
    return compare_emails;
  }
  if (which == rule::refunds) {
    return compare_refunds;
  }
  if (which == rule::keys) {
    return compare_keys;
  }
  if (which == rule::refunded_sales) {
    return compare_refunded_sales;
  }
  COFFER_ASSERT(which == rule::sales_counters);
  return compare_sales;
}

inline table_findings read_findings(const pg::rows& found, std::string_view which) {
  table_findings all;
  for (int r = 0; r < found.size(); ++r) {
    all.count = found.int64(r, 0);
    domain::book_violation& each = all.examples.emplace_back();
    each.rule = which;
    if (const auto user = found.optional_int64(r, 1)) {
      each.user = user_id{*user};
    }
    if (const auto product = found.optional_int64(r, 2)) {
      each.product = product_id{*product};
    }
    each.expected = found.text(r, 3);
    each.found = found.text(r, 4);
  }
  return all;
}

inline void add_products(const pg::rows& found, domain::replay::catalogue& all) {
  for (int r = 0; r < found.size(); ++r) {
    all.emplace(product_id{found.int64(r, 0)}, static_cast<domain::product_type>(found.int16(r, 1)));
  }
}

}  // namespace detail

/// What is read between these two is of one moment, and writes nothing. Throw pg::error, as all that follow.
inline net::task<> begin_snapshot(pg::connection& db, net::deadline until) {
  const pg::rows begun = co_await db.query(detail::begin_reading, until);
}

inline net::task<> end_snapshot(pg::connection& db, net::deadline until) {
  const pg::rows ended = co_await db.query(detail::end_reading, until);
}

/// The products' ids and types. All of them: the catalogue is small beside the journal.
inline net::task<domain::replay::catalogue> read_catalogue(pg::connection& db, net::deadline until) {
  const pg::rows found =
      co_await db.query(detail::select_products, pg::params::of(std::numeric_limits<std::int64_t>::min()), until);
  domain::replay::catalogue all;
  detail::add_products(found, all);
  co_return all;
}

/// Adds those of these products that there are by now.
inline net::task<> add_to_catalogue(pg::connection& db, std::vector<std::int64_t> ids, domain::replay::catalogue* all,
                                    net::deadline until) {
  const pg::rows found =
      co_await db.query(detail::select_new_products, pg::params::of(std::span<const std::int64_t>{ids}), until);
  detail::add_products(found, *all);
}

inline net::task<std::vector<stored_stock>> read_stocks(pg::connection& db, net::deadline until) {
  const pg::rows found = co_await db.query(detail::select_stocks, until);
  co_return pg::read_all(found, [](const pg::rows& rows, int row) {
    return stored_stock{product_id{rows.int64(row, 0)}, rows.optional_int64(row, 1), rows.int64(row, 2)};
  });
}

/// The first purchase of `product`, of those up to `sold`, whose units do not follow those of the one before it. Reads
/// the whole journal.
inline net::task<domain::book_violation> find_gap(pg::connection& db, product_id product, std::int64_t sold,
                                                  net::deadline until) {
  const pg::rows found = co_await db.query(detail::select_gap, pg::params::of(product.value, sold), until);
  domain::book_violation gap;
  gap.product = product;
  if (!found.empty()) {
    gap.user = user_id{found.int64(0, 0)};
    gap.at = version{found.int64(0, 1)};
    gap.expected = "units from " + std::to_string(found.int64(0, 4) + 1);
    gap.found = "units " + std::to_string(found.int64(0, 2)) + ".." + std::to_string(found.int64(0, 3));
  }
  co_return gap;
}

/// The first and the last hour with a sales counter; nullopt: there is none.
inline net::task<std::optional<time_range>> read_sales_hours(pg::connection& db, net::deadline until) {
  const pg::rows found = co_await db.query(detail::select_sales_hours, until);
  if (found.is_null(0, 0)) {
    co_return std::nullopt;
  }
  co_return time_range{found.time(0, 0), found.time(0, 1)};
}

// The page of rows behind the given one, nullopt: from the beginning.
inline net::task<std::vector<domain::stored_wallet>> read_wallets(pg::connection& db, user_range users,
                                                                  std::optional<domain::stored_wallet> behind,
                                                                  net::deadline until) {
  const std::int64_t after = behind ? behind->user.value : users.first - 1;
  const pg::rows found =
      co_await db.query(detail::page_of_wallets, pg::params::of(after, users.last, wallets_page), until);
  co_return pg::read_all(found, [](const pg::rows& rows, int row) {
    return domain::stored_wallet{user_id{rows.int64(row, 0)}, rows.int64(row, 1), rows.int64(row, 2)};
  });
}

inline net::task<std::vector<domain::journal_entry>> read_journal(pg::connection& db, user_range users,
                                                                  std::optional<domain::journal_entry> behind,
                                                                  net::deadline until) {
  const std::int64_t after_user = behind ? behind->user.value : users.first;
  const std::int64_t after_version = behind ? behind->at : std::numeric_limits<std::int64_t>::min();
  const pg::rows found = co_await db.query(detail::page_of_journal,
                                           pg::params::of(after_user, after_version, users.last, books_page), until);
  std::vector<domain::journal_entry> page;
  page.reserve(static_cast<std::size_t>(found.size()));
  for (int r = 0; r < found.size(); ++r) {
    domain::journal_entry& row = page.emplace_back();
    row.user = user_id{found.int64(r, 0)};
    row.at = found.int64(r, 1);
    row.kind = static_cast<domain::transaction_kind>(found.int16(r, 2));
    row.status = static_cast<domain::transaction_status>(found.int16(r, 3));
    if (const auto product = found.optional_int64(r, 4)) {
      row.product = product_id{*product};
    }
    row.quantity = found.int64(r, 5);
    row.amount = found.int64(r, 6);
    row.balance_after = found.int64(r, 7);
    row.item_quantity_after = found.optional_int64(r, 8);
    const auto reason = found.optional_text(r, 9);
    row.has_reason = reason.has_value();
    row.knows_reason = !reason || errc_from_string(*reason).has_value();
    row.details = domain::row_details::from_columns(found.optional_int64(r, 10), found.optional_int64(r, 11));
    row.created_at = found.time(r, 12);
    row.has_key = found.boolean(r, 13);
    row.has_fingerprint = found.boolean(r, 14);
  }
  co_return page;
}

inline net::task<std::vector<domain::stored_holding>> read_holdings(pg::connection& db, user_range users,
                                                                    std::optional<domain::stored_holding> behind,
                                                                    net::deadline until) {
  const std::int64_t after_user = behind ? behind->user.value : users.first;
  const std::int64_t after_product = behind ? behind->product.value : std::numeric_limits<std::int64_t>::min();
  const pg::rows found = co_await db.query(detail::page_of_holdings,
                                           pg::params::of(after_user, after_product, users.last, books_page), until);
  co_return pg::read_all(found, [](const pg::rows& rows, int row) {
    return domain::stored_holding{user_id{rows.int64(row, 0)}, product_id{rows.int64(row, 1)}, rows.int64(row, 2),
                                  rows.int64(row, 3)};
  });
}

/// Checks usernames, emails, refunds or keys for these users.
inline net::task<table_findings> compare_users(pg::connection& db, std::string_view which, user_range users,
                                               net::deadline until) {
  const pg::rows found = co_await db.query(detail::comparison(which), pg::params::of(users.first, users.last), until);
  co_return detail::read_findings(found, which);
}

/// Checks sales_counters or refunded_sales for a time that begins and ends with a day: each hour, or the whole day when
/// its counters may have been folded. One statement, and so one moment: hours of which more is being sold are compared
/// as they are.
inline net::task<table_findings> compare_sales(pg::connection& db, std::string_view which, time_range days, bool folded,
                                               net::deadline until) {
  const std::string unit = folded ? "day" : "hour";
  const pg::rows found =
      co_await db.query(detail::comparison(which), pg::params::of(days.first, days.end, unit), until);
  co_return detail::read_findings(found, which);
}

/// How many events the log has.
inline net::task<std::int64_t> count_events(pg::connection& db, net::deadline until) {
  const pg::rows found = co_await db.query(detail::count_events, until);
  co_return found.int64(0, 0);
}

/// Checks event_versions or event_order in the whole log, for users whose ids leave this remainder divided by `parts`.
/// One statement, and so one moment.
inline net::task<table_findings> compare_events(pg::connection& db, std::string_view which, std::int64_t parts,
                                                std::int64_t remainder, net::deadline until) {
  const pg::rows found = co_await db.query(detail::comparison(which), pg::params::of(parts, remainder), until);
  co_return detail::read_findings(found, which);
}

/// Checks event_positions. One statement, too.
inline net::task<table_findings> compare_event_positions(pg::connection& db, net::deadline until) {
  const pg::rows found = co_await db.query(detail::compare_event_positions, until);
  co_return detail::read_findings(found, rule::event_positions);
}

/// Checks webhook_places.
inline net::task<table_findings> compare_webhook_places(pg::connection& db, net::deadline until) {
  const pg::rows found = co_await db.query(detail::compare_webhook_places, until);
  co_return detail::read_findings(found, rule::webhook_places);
}

/// Looks whether the entries of a directory (usernames, emails) behind `*behind` have their users, one page of them,
/// and moves `*behind` to its end; nullopt: there are no more. Begin with "".
inline net::task<std::optional<table_findings>> compare_directory(pg::connection& db, std::string_view which,
                                                                  std::string* behind, net::deadline until) {
  const bool names = which == rule::usernames;
  const pg::rows page = co_await db.query(names ? detail::end_of_usernames : detail::end_of_emails,
                                          pg::params::of(*behind, books_page), until);
  if (page.is_null(0, 0)) {
    co_return std::nullopt;
  }
  const std::string last{page.text(0, 0)};
  const pg::rows found =
      co_await db.query(names ? detail::spare_usernames : detail::spare_emails, pg::params::of(*behind, last), until);
  *behind = last;
  co_return detail::read_findings(found, which);
}

}  // namespace coffer::store
