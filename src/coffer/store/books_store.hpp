// Everything that the books consist of, read in the order of users, page by page, and the rules that are checked by
// comparing tables, range by range. Knows no rule of the economy.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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

/// What is read between these two is of one moment, and writes nothing. Throw pg::error, as all that follow.
net::task<> begin_snapshot(pg::connection& db, net::deadline until);
net::task<> end_snapshot(pg::connection& db, net::deadline until);

/// The stock of a product, as stored.
struct stored_stock {
  product_id product;
  std::optional<std::int64_t> supply;  ///< nullopt: the product is unlimited again
  std::int64_t sold = 0;
};
net::task<std::vector<stored_stock>> read_stocks(pg::connection& db, net::deadline until);

/// The first purchase of `product`, of those up to `sold`, whose units do not follow those of the one before it. Reads
/// the whole journal.
net::task<domain::book_violation> find_gap(pg::connection& db, product_id product, std::int64_t sold,
                                           net::deadline until);

/// Times from `first` to before `end`.
struct time_range {
  timestamp first;
  timestamp end;
};
/// The first and the last hour with a sales counter; nullopt: there is none.
net::task<std::optional<time_range>> read_sales_hours(pg::connection& db, net::deadline until);

/// Adds those of these products that there are by now.
net::task<> add_to_catalogue(pg::connection& db, std::vector<std::int64_t> ids, domain::replay::catalogue* all,
                             net::deadline until);

/// The products' ids and types. All of them: the catalogue is small beside the journal.
net::task<domain::replay::catalogue> read_catalogue(pg::connection& db, net::deadline until);

// The page of rows behind the given one, nullopt: from the beginning.
net::task<std::vector<domain::stored_wallet>> read_wallets(pg::connection& db, user_range users,
                                                           std::optional<domain::stored_wallet> behind,
                                                           net::deadline until);
net::task<std::vector<domain::journal_entry>> read_journal(pg::connection& db, user_range users,
                                                           std::optional<domain::journal_entry> behind,
                                                           net::deadline until);
net::task<std::vector<domain::stored_holding>> read_holdings(pg::connection& db, user_range users,
                                                             std::optional<domain::stored_holding> behind,
                                                             net::deadline until);

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
}  // namespace rule

/// Checks usernames, emails, refunds or keys for these users.
net::task<table_findings> compare_users(pg::connection& db, std::string_view which, user_range users,
                                        net::deadline until);

/// Checks sales_counters or refunded_sales for the hours of a time that begins and ends with an hour. One statement,
/// and so one moment: hours of which more is being sold are compared as they are.
net::task<table_findings> compare_hours(pg::connection& db, std::string_view which, time_range hours,
                                        net::deadline until);

/// Looks whether the entries of a directory (usernames, emails) behind `*behind` have their users, one page of them,
/// and moves `*behind` to its end; nullopt: there are no more. Begin with "".
net::task<std::optional<table_findings>> compare_directory(pg::connection& db, std::string_view which,
                                                           std::string* behind, net::deadline until);

}  // namespace coffer::store
