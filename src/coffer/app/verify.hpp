// `coffer verify`: runs the audit and tells what it found. Knows no SQL.
#pragma once

#include <string>

#include "coffer/base/clock.hpp"
#include "coffer/service/books_audit.hpp"

namespace coffer::app {

/// What to verify.
struct verify_run {
  std::string database_url;
  store::user_range users;
  bool show_progress = false;  ///< on stderr, while it runs
};

/// The outcome, to be printed.
struct verified {
  service::audit_report report;
  double seconds = 0;

  /// A line per rule, examples below those that are broken, the verdict last.
  [[nodiscard]] std::string to_text() const;
  /// One object: books_right, violations, milliseconds, what was read, and the rules with their counts and examples.
  [[nodiscard]] std::string to_json() const;
  /// For the textfile collector of Prometheus' node exporter. `now`: when the books had been read.
  [[nodiscard]] std::string to_metrics(timestamp now) const;
};

/// Blocks until everything has been read. Throws std::runtime_error with the remedy when the books cannot be read: no
/// database, another schema.
verified verify_books(const verify_run& how);

/// Puts `text` into the place of `file` in one step: whoever reads it finds the old text or the new one. Throws
/// std::runtime_error.
void replace_file(const std::string& file, const std::string& text);

}  // namespace coffer::app
