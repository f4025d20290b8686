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

/// Reads everything in one REPEATABLE READ snapshot that writes nothing and takes no lock that a writer waits for; a
/// replay of every journal is compared with the stored balances and inventories. Memory: three pages, the catalogue
/// and one user's items, whatever the size of the books. Each page has until `page_time`; comparing whole tables has
/// ten times that. `progress` is called with the number of journal rows read after each page of them; may be empty.
/// Throws pg::error.
net::task<audit_report> audit_books(pg::connection& db, store::user_range users, std::chrono::milliseconds page_time,
                                    std::function<void(std::int64_t)> progress);

}  // namespace coffer::service
