#include "coffer/store/journal_store.hpp"

#include <algorithm>

#include "coffer/store/transaction_row.hpp"

namespace coffer::store {

namespace {

constexpr pg::statement select_row{
    "journal_find",
    "select user_id, version, kind, status, product_id, quantity, amount, balance_after, item_quantity_after, reason,"
    " idempotency_key, fingerprint, request_id, created_at, detail_1, detail_2, note, actor, note_public"
    " from transactions where user_id = $1 and version = $2"};

// One row of NULLs for a user without this key, none for an unknown user.
constexpr pg::statement select_keyed{
    "journal_outcome",
    "select t.user_id, t.version, t.kind, t.status, t.product_id, t.quantity, t.amount, t.balance_after,"
    " t.item_quantity_after, t.reason, t.idempotency_key, t.fingerprint, t.request_id, t.created_at,"
    " t.detail_1, t.detail_2, t.note, t.actor, t.note_public"
    " from users u left join transactions t on t.user_id = $1 and t.idempotency_key = $2"
    " and (t.actor is not distinct from 0) = $3 where u.id = $1"};

constexpr pg::statement begin_settling{"journal_settle", "begin"};
constexpr pg::statement lock_user{"journal_lock_user",
                                  "select id from users where id = $1 for no key update skip locked"};
constexpr pg::statement end_settling{"journal_settled", "commit"};

pg::params keyed_params(const domain::key_place& place) {
  return pg::params::of(place.user, place.key, place.by_player);
}

/// The row that select_keyed found.
result<domain::transaction> read_outcome(const pg::rows& found) {
  if (found.empty()) {
    return std::unexpected(error{errc::user_not_found});
  }
  if (found.is_null(0, 0)) {
    return std::unexpected(error{errc::transaction_not_found, "Nothing has been decided under this key so far."});
  }
  return read_transaction(found, 0);
}

template <typename Enum>
std::optional<std::int16_t> stored(std::optional<Enum> value) {
  return value ? std::optional{static_cast<std::int16_t>(*value)} : std::nullopt;
}

}  // namespace

net::task<std::optional<domain::transaction>> find_transaction(pg::connection& db, user_id user, version at,
                                                               net::deadline until) {
  pg::params with;
  with.add(user).add(at);
  const pg::rows found = co_await db.query(select_row, std::move(with), until);
  if (found.empty()) {
    co_return std::nullopt;
  }
  co_return read_transaction(found, 0);
}

net::task<result<domain::transaction>> find_outcome(pg::connection& db, domain::key_place place, net::deadline until) {
  const pg::rows found = co_await db.query(select_keyed, keyed_params(place), until);
  co_return read_outcome(found);
}

net::task<result<domain::transaction>> settle_outcome(pg::connection& db, domain::key_place place,
                                                      net::deadline until) {
  pg::pipeline question;
  question.add(begin_settling);
  question.add(lock_user, pg::params::of(place.user));
  question.add(select_keyed, keyed_params(place));
  question.add(end_settling);
  const std::vector<pg::rows> results = co_await db.run(std::move(question), until);
  const pg::rows& found = results.at(2);
  if (results.at(1).empty() && !found.empty()) {
    co_return std::unexpected(error{errc::idempotency_in_progress});
  }
  co_return read_outcome(found);
}

net::task<std::optional<history_page>> list_transactions(pg::connection& db, history_query query, net::deadline until) {
  pg::params with;
  with.add(query.user).add(query.before).add(stored(query.kind)).add(stored(query.status));
  with.add(query.by.has_value()).add(query.by.value_or(domain::actor{}).stored());
  with.add(query.limit + 1).add(history_walk);  // one more tells whether there is a next page
  const pg::rows found = co_await db.query(select_transaction_page, std::move(with), until);
  if (found.empty()) {
    co_return std::nullopt;
  }
  const std::int64_t walked_to = found.int64(0, found.columns() - 1) - history_walk;
  history_page page{.rows = {}, .next = version{std::max<std::int64_t>(walked_to, 1)}};
  if (!found.is_null(0, 0)) {
    page.rows.reserve(static_cast<std::size_t>(found.size()));
    for (int row = 0; row < found.size(); ++row) {
      page.rows.push_back(read_transaction(found, row));
    }
  }
  if (std::ssize(page.rows) > query.limit) {
    page.rows.pop_back();
    page.next = page.rows.back().at;
  }
  page.next.value -= page.next.value == 1 ? 1 : 0;  // nothing comes before the first row
  co_return page;
}

}  // namespace coffer::store
