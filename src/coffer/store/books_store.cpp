#include "coffer/store/books_store.hpp"

#include "coffer/base/assert.hpp"

namespace coffer::store {

namespace {

constexpr pg::statement select_products{"books_products", "select id, type from products"};

constexpr pg::statement page_of_wallets{"books_wallets",
                                        "select id, balance, version from users where id > $1 and id <= $2"
                                        " order by id limit $3"};

constexpr pg::statement page_of_journal{
    "books_journal",
    "select user_id, version, kind, status, product_id, quantity, amount, balance_after, item_quantity_after,"
    " reason is not null, detail_1, detail_2"
    " from transactions where (user_id, version) > ($1, $2) and user_id <= $3 order by user_id, version limit $4"};

constexpr pg::statement page_of_holdings{
    "books_holdings",
    "select user_id, product_id, quantity from inventory where (user_id, product_id) > ($1, $2) and user_id <= $3"
    " order by user_id, product_id limit $4"};

// The three comparisons give: how many rows differ, user, product, what is expected, what is found. Ids of users are
// unique in users only, so a full join on them finds entries that are missing, wrong or too many. The directories are
// in lower case, for ASCII alone.
constexpr pg::statement compare_usernames{
    "books_usernames",
    "select count(*) over (), coalesce(u.id, n.user_id), null::bigint,"
    " coalesce(lower(u.username collate \"C\"), 'no entry'), coalesce(n.username, 'no entry')"
    " from (select * from users where id between $1 and $2) u"
    " full join (select * from usernames where user_id between $1 and $2) n on n.user_id = u.id"
    " where lower(u.username collate \"C\") is distinct from n.username limit 10"};

constexpr pg::statement compare_emails{
    "books_emails",
    "select count(*) over (), coalesce(u.id, e.user_id), null::bigint,"
    " coalesce(lower(u.email collate \"C\"), 'no entry'), coalesce(e.email, 'no entry')"
    " from (select * from users where id between $1 and $2) u"
    " full join (select * from emails where user_id between $1 and $2) e on e.user_id = u.id"
    " where lower(u.email collate \"C\") is distinct from e.email limit 10"};

// A row's created_at is the time of its batch, whose hour its sales are counted in. A revenue that has reached the end
// of its 64 bits says that it was so much at least.
constexpr pg::statement compare_sales{
    "books_sales",
    "select count(*) over (), null::bigint, product_id,"
    " concat(j.hour, ': ', coalesce(j.purchases, 0), ' purchases, ', coalesce(j.units, 0), ' units, ',"
    " coalesce(j.revenue, 0), ' credits'),"
    " concat(c.hour, ': ', coalesce(c.purchases, 0), ' purchases, ', coalesce(c.units, 0), ' units, ',"
    " coalesce(c.revenue, 0), ' credits')"
    " from (select hour, product_id, sum(purchases) as purchases, sum(units) as units, sum(revenue) as revenue,"
    " bool_or(revenue = 9223372036854775807) as is_full from sales_counters group by hour, product_id) c"
    " full join (select date_trunc('hour', created_at, 'UTC') as hour, product_id, count(*) as purchases,"
    " sum(quantity) as units, sum(amount) as revenue from transactions where kind = 2 and status = 2"
    " group by 1, 2) j using (hour, product_id)"
    " where (c.purchases, c.units) is distinct from (j.purchases, j.units)"
    " or (c.revenue is distinct from j.revenue and not (c.is_full and c.revenue <= j.revenue)) limit 10"};

// `refunds`, which has a rule of its own, says how much of each purchase was refunded. Every unit had the same price.
constexpr pg::statement compare_refunded_sales{
    "books_refunded_sales",
    "select count(*) over (), null::bigint, product_id,"
    " concat(j.hour, ': ', coalesce(j.purchases, 0), ' purchases, ', coalesce(j.units, 0), ' units, ',"
    " coalesce(j.revenue, 0), ' credits refunded'),"
    " concat(c.hour, ': ', coalesce(c.purchases, 0), ' purchases, ', coalesce(c.units, 0), ' units, ',"
    " coalesce(c.revenue, 0), ' credits refunded')"
    " from (select hour, product_id, sum(purchases) as purchases, sum(units) as units, sum(revenue) as revenue,"
    " bool_or(revenue = 9223372036854775807) as is_full from refunded_sales group by hour, product_id) c"
    " full join (select date_trunc('hour', t.created_at, 'UTC') as hour, t.product_id,"
    " count(*) filter (where r.units = t.quantity) as purchases, sum(r.units) as units,"
    " sum(t.amount / nullif(t.quantity, 0) * r.units) as revenue"
    " from refunds r join transactions t using (user_id, version) group by 1, 2) j using (hour, product_id)"
    " where (c.purchases, c.units) is distinct from (j.purchases, j.units)"
    " or (c.revenue is distinct from j.revenue and not (c.is_full and c.revenue <= j.revenue)) limit 10"};

// Each completed purchase from a stock says how many were sold of it by then: with the quantities they tile 1..sold.
constexpr pg::statement compare_stocks{
    "books_stocks",
    "select count(*) over (), null::bigint, product_id,"
    " concat(coalesce(j.units, 0), ' units sold, the last one as number ', coalesce(j.last, 0)),"
    " concat(coalesce(s.sold::text, 'no'), ' sold of ', coalesce(s.supply::text, 'unlimited'))"
    " from product_stock s full join (select product_id, sum(quantity) as units, max(detail_1) as last"
    " from transactions where kind = 2 and status = 2 and detail_1 is not null group by product_id) j"
    " using (product_id)"
    " where s.sold is distinct from coalesce(j.units, 0) or s.sold is distinct from coalesce(j.last, 0)"
    " or s.sold < 0 or s.sold > s.supply limit 10"};

constexpr pg::statement compare_bought{
    "books_bought",
    "select count(*) over (), user_id, product_id, coalesce(j.bought, 0)::text, coalesce(i.bought, 0)::text"
    " from (select * from inventory where user_id between $1 and $2) i"
    " full join (select user_id, product_id, sum(case kind when 2 then quantity else -quantity end) as bought"
    " from transactions where kind in (2, 4) and status = 2 and user_id between $1 and $2"
    " group by user_id, product_id) j"
    " using (user_id, product_id) where coalesce(i.bought, 0) <> coalesce(j.bought, 0) limit 10"};

// A refund names a completed purchase of the same user and product; all refunds of one together are what `refunds`
// counts, not more units than were bought, at the price that was paid.
constexpr pg::statement compare_refunds{
    "books_refunds",
    "select count(*) over (), user_id, t.product_id,"
    " concat('version ', version, ': ', coalesce(j.units, 0), ' units for ', coalesce(j.amount, 0), ' credits "
    "refunded'),"
    " concat(coalesce(r.units, 0), ' counted, of ', coalesce(t.quantity, 0), ' bought for ', coalesce(t.amount, 0))"
    " from (select * from refunds where user_id between $1 and $2) r"
    " full join (select user_id, detail_1 as version, sum(quantity) as units, sum(amount) as amount,"
    " min(product_id) as first, max(product_id) as last from transactions"
    " where kind = 4 and status = 2 and user_id between $1 and $2 group by user_id, detail_1) j using (user_id, "
    "version)"
    " left join transactions t using (user_id, version)"
    " where t.kind is distinct from 2 or t.status is distinct from 2 or r.units is distinct from j.units"
    " or j.units > t.quantity or j.amount * t.quantity is distinct from t.amount * j.units"
    " or j.first is distinct from t.product_id or j.last is distinct from t.product_id limit 10"};

const pg::statement& comparison(std::string_view which) {
  if (which == rule::usernames) {
    return compare_usernames;
  }
  if (which == rule::emails) {
    return compare_emails;
  }
  if (which == rule::bought) {
    return compare_bought;
  }
  if (which == rule::refunds) {
    return compare_refunds;
  }
  if (which == rule::stocks) {
    return compare_stocks;
  }
  if (which == rule::refunded_sales) {
    return compare_refunded_sales;
  }
  COFFER_ASSERT(which == rule::sales_counters);
  return compare_sales;
}

}  // namespace

net::task<domain::replay::catalogue> read_catalogue(pg::connection& db, net::deadline until) {
  const pg::rows found = co_await db.query(select_products, pg::params{}, until);
  domain::replay::catalogue all;
  for (int r = 0; r < found.size(); ++r) {
    all.emplace(product_id{found.int64(r, 0)}, static_cast<domain::product_type>(found.int16(r, 1)));
  }
  co_return all;
}

net::task<std::vector<domain::stored_wallet>> read_wallets(pg::connection& db, user_range users,
                                                           std::optional<domain::stored_wallet> behind,
                                                           net::deadline until) {
  const std::int64_t after = behind ? behind->user.value : users.first - 1;
  const pg::rows found = co_await db.query(page_of_wallets, pg::params::of(after, users.last, books_page), until);
  std::vector<domain::stored_wallet> page;
  page.reserve(static_cast<std::size_t>(found.size()));
  for (int r = 0; r < found.size(); ++r) {
    page.push_back({user_id{found.int64(r, 0)}, found.int64(r, 1), found.int64(r, 2)});
  }
  co_return page;
}

net::task<std::vector<domain::journal_entry>> read_journal(pg::connection& db, user_range users,
                                                           std::optional<domain::journal_entry> behind,
                                                           net::deadline until) {
  const std::int64_t after_user = behind ? behind->user.value : users.first;
  const std::int64_t after_version = behind ? behind->at : std::numeric_limits<std::int64_t>::min();
  const pg::rows found =
      co_await db.query(page_of_journal, pg::params::of(after_user, after_version, users.last, books_page), until);
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
    row.has_reason = found.boolean(r, 9);
    row.detail_1 = found.optional_int64(r, 10);
    row.detail_2 = found.optional_int64(r, 11);
  }
  co_return page;
}

net::task<std::vector<domain::stored_holding>> read_holdings(pg::connection& db, user_range users,
                                                             std::optional<domain::stored_holding> behind,
                                                             net::deadline until) {
  const std::int64_t after_user = behind ? behind->user.value : users.first;
  const std::int64_t after_product = behind ? behind->product.value : std::numeric_limits<std::int64_t>::min();
  const pg::rows found =
      co_await db.query(page_of_holdings, pg::params::of(after_user, after_product, users.last, books_page), until);
  std::vector<domain::stored_holding> page;
  page.reserve(static_cast<std::size_t>(found.size()));
  for (int r = 0; r < found.size(); ++r) {
    page.push_back({user_id{found.int64(r, 0)}, product_id{found.int64(r, 1)}, found.int64(r, 2)});
  }
  co_return page;
}

net::task<table_findings> compare_tables(pg::connection& db, std::string_view which, user_range users,
                                         net::deadline until) {
  const pg::statement& what = comparison(which);
  pg::params with;
  if (which != rule::sales_counters && which != rule::refunded_sales && which != rule::stocks) {
    with.add(users.first).add(users.last);
  }
  const pg::rows found = co_await db.query(what, std::move(with), until);
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
  co_return all;
}

}  // namespace coffer::store
