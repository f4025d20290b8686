// Migration files in dbmate's format and the ones inside the binary. Pure: knows no database.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace coffer::app {

/// A file of migrations/ as it was when the binary was built.
struct embedded_migration {
  std::string_view file_name;
  std::string_view text;
};

/// All of them, sorted by name.
std::span<const embedded_migration> embedded_migrations() noexcept;

/// One direction of a migration.
struct migration_block {
  std::string sql;             ///< may be empty: nothing to do
  bool in_transaction = true;  ///< false with `transaction:false`, for create index concurrently and the like
};

/// A migration file, parsed.
struct migration {
  std::string version;    ///< the digits the file name starts with
  std::string file_name;  ///< e.g. "20261101120000_initial.sql"
  std::string sha256;     ///< of the whole file, 64 hexadecimal digits
  migration_block up;
  migration_block down;
  bool has_down = false;
};

/// Parses one file. The error is a sentence for the author of the file that starts with its name.
std::expected<migration, std::string> parse_migration(std::string_view file_name, std::string_view text);

/// The embedded migrations, parsed, in order of their versions. A malformed one is a bug.
std::vector<migration> built_in_migrations();

/// The migrations of a folder in order of their versions: files that start with a digit and end in .sql. The error
/// names the folder or file; two files of one version are an error.
std::expected<std::vector<migration>, std::string> read_migrations(const std::string& folder);

}  // namespace coffer::app
