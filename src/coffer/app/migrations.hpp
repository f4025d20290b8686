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

/// Rows that a way down deletes, or whose meaning it takes away: "-- coffer:loses WHAT: TABLE [where CONDITION]".
struct migration_loss {
  std::string what;       ///< as an operator would call them, e.g. "server keys"
  std::string table;      ///< where they are
  std::string condition;  ///< which of its rows; empty: all
};

/// Tables and columns that a way down drops without asking: "-- coffer:drops TABLE[.COLUMN], ...: WHY".
struct migration_drop {
  std::vector<std::string> names;
  std::string why;
};

/// A migration file, parsed. Lines that begin with "-- coffer:" are for coffer; for everybody else they are comments.
struct migration {
  std::string version;    ///< the digits the file name starts with
  std::string file_name;  ///< e.g. "20261101120000_initial.sql"
  std::string sha256;     ///< of the whole file but its lines for coffer, 64 hexadecimal digits
  migration_block up;
  migration_block down;
  bool has_down = false;
  std::vector<migration_loss> losses;
  std::vector<migration_drop> drops;
  /// Checksums of former texts that lead to the same schema, "-- coffer:replaces SHA256": where one of them was
  /// applied, nothing was changed.
  std::vector<std::string> replaces;
};

/// Parses one file. The error is a sentence for the author of the file that starts with its name.
std::expected<migration, std::string> parse_migration(std::string_view file_name, std::string_view text);

/// The embedded migrations, parsed, in order of their versions. A malformed one is a bug.
std::vector<migration> built_in_migrations();

/// The migrations of a folder in order of their versions: files that start with a digit and end in .sql. The error
/// names the folder or file; two files of one version are an error.
std::expected<std::vector<migration>, std::string> read_migrations(const std::string& folder);

}  // namespace coffer::app
