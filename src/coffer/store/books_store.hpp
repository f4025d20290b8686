// Everything that the books consist of, read in the order of users, page by page, and the rules that are checked by
// comparing whole tables. Knows no rule of the economy.
#pragma once

#include <cstdint>
#include <limits>
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

/// The products' ids and types. All of them: the catalogue is small beside the journal.
net::task<domain::replay::catalogue> read_catalogue(pg::connection& db, net::deadline until);

// The page of rows behind the given one, nullopt: from the beginning. All throw pg::error.
net::task<std::vector<domain::stored_wallet>> read_wallets(pg::connection& db, user_range users,
                                                           std::optional<domain::stored_wallet> behind,
                                                           net::deadline until);
net::task<std::vector<domain::journal_entry>> read_journal(pg::connection& db, user_range users,
                                                           std::optional<domain::journal_entry> behind,
                                                           net::deadline until);
net::task<std::vector<domain::stored_holding>> read_holdings(pg::connection& db, user_range users,
                                                             std::optional<domain::stored_holding> behind,
                                                             net::deadline until);

/// A rule that compares whole tables: what it found, at most ten examples.
struct table_findings {
  std::int64_t count = 0;
  std::vector<domain::book_violation> examples;
};

/// Rule names of compare_tables().
namespace rule {
inline constexpr std::string_view usernames = "usernames_match_users";
inline constexpr std::string_view emails = "emails_match_users";
inline constexpr std::string_view sales_counters = "sales_counters_are_journal_sum";
inline constexpr std::string_view refunded_sales = "refunded_sales_are_journal_sum";
inline constexpr std::string_view bought = "bought_is_journal_sum";
inline constexpr std::string_view refunds = "refunds_are_of_purchases";
inline constexpr std::string_view stocks = "stocks_are_journal_sum";
}  // namespace rule

/// Checks one of the rules above. The sales counters and stocks are those of all users, whatever the range.
net::task<table_findings> compare_tables(pg::connection& db, std::string_view which, user_range users,
                                         net::deadline until);

}  // namespace coffer::store
