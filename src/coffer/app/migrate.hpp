// Runs migrations: dbmate's files and bookkeeping table, plus a lock and checksums. Knows no command line. What goes
// wrong is a command_error, behind which the files before the failed one are applied.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coffer/app/migrations.hpp"

namespace coffer::app {

/// What every run needs.
struct migrate_run {
  std::string database_url;
  std::vector<migration> files;  ///< in order of their versions
  /// Gets one line of progress at a time, without newline.
  std::function<void(std::string_view)> report = [](std::string_view) {};
  /// How long another runner's lock is waited for.
  std::chrono::milliseconds lock_wait{std::chrono::minutes{10}};
  /// How long a statement may wait for locks of the running service before its file is rolled back: waiting DDL blocks
  /// everybody behind it. 0: no limit.
  std::chrono::milliseconds lock_timeout{std::chrono::seconds{5}};
  /// Lets migrate_down() delete rows, or what they mean, instead of refusing.
  bool delete_data = false;
  /// Asked before it does, with the database's name and what goes, one line each; false: nothing is undone.
  std::function<bool(const std::string& database, const std::vector<std::string>& losses)> confirm =
      [](const auto&, const auto&) { return true; };
  /// Records the files' present checksums instead of refusing those that were changed after they had been applied.
  bool accept_changed = false;
};

/// Where one migration stands.
struct migration_status {
  std::string version;
  std::string file_name;  ///< empty: applied, and no such file is known
  bool applied = false;
  bool changed = false;  ///< the file is not the one that was applied
};

/// Applies every file that is not applied, in order, each in a transaction of its own (unless it says
/// transaction:false), together with its row in schema_migrations. Gives the number of files applied. Several runs at
/// once are safe: one works, the others wait and then find nothing to do. Blocks; throws command_error.
std::size_t migrate_up(const migrate_run& how);

/// Undoes the `steps` newest applied migrations (nullopt: all of them), newest first. Gives their number. Blocks;
/// throws command_error, before anything is undone when a file that is needed is unknown or has no way down, or when
/// rows exist that it would delete or leave without their meaning (migration::losses) and `delete_data` does not allow
/// it. Rows that arrive after that was looked at stop the one migration that they concern.
std::size_t migrate_down(const migrate_run& how, std::optional<std::size_t> steps);

/// Every known and every applied migration, in order of versions. Changes nothing. Blocks; throws command_error.
std::vector<migration_status> migrate_status(const migrate_run& how);

/// Writes an empty migration `<UTC time>_<name>.sql` into `folder` and gives its path. The name may have letters,
/// digits, '_' and '-'. Throws command_error.
std::string new_migration(const std::string& folder, std::string_view name);

}  // namespace coffer::app
