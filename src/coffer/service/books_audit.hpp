// Proves that the books of a database are right, or shows where they are not. Knows no output format.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string_view>
#include <vector>

#include "coffer/store/books_store.hpp"

namespace coffer::service {

/// What one rule found. Only the first examples are kept.
struct rule_findings {
  std::int64_t count = 0;
  std::vector<domain::book_violation> examples;
};

/// The outcome of an audit.
struct audit_report {
  static constexpr std::size_t max_examples = 10;  ///< per rule

  std::map<std::string_view, rule_findings> rules;  ///< every rule that was checked, by name
  std::int64_t users = 0;
  std::int64_t transactions = 0;
  std::int64_t holdings = 0;
  std::int64_t products = 0;

  [[nodiscard]] std::int64_t violations() const noexcept;
};

/// Replays every journal and compares the result with the stored balances and inventories, some thousand rows at a
/// time, each in a short REPEATABLE READ snapshot of its own (docs/adr/0031): it writes nothing, takes no lock that a
/// writer waits for, keeps no row from being cleaned up for long, and works on a standby. A range that a standby's
/// recovery cuts short is read again. Memory: some pages, the catalogue, a number per limited product and one user's
/// items, whatever the size of the books. A page has until `page_time`, a comparison ten times that. `progress` is
/// called with the number of journal rows read; may be empty. Throws pg::error.
net::task<audit_report> audit_books(pg::connection& db, store::user_range users, std::chrono::milliseconds page_time,
                                    std::function<void(std::int64_t)> progress);

}  // namespace coffer::service
