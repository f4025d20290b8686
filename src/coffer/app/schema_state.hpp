// Whether a database has the schema that this binary was built for.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "coffer/app/migrations.hpp"
#include "coffer/base/assert.hpp"
#include "coffer/net/task.hpp"
#include "coffer/pg/connection.hpp"

namespace coffer::app {

enum class schema_state : std::uint8_t {
  ready,    ///< exactly the migrations of this binary
  missing,  ///< none: an empty database
  older,    ///< some migrations of this binary are not applied
  newer,    ///< migrations are applied that this binary does not know
};

/// "ready", "missing", "older" or "newer".
inline std::string_view to_string(schema_state state) noexcept {
  switch (state) {
    case schema_state::ready:
      return "ready";
    case schema_state::missing:
      return "missing";
    case schema_state::older:
      return "older";
    case schema_state::newer:
      return "newer";
  }
  assertion_failed("every schema state has a spelling");
}

/// The state, and a sentence that says what is wrong and which command comes next; empty when ready.
struct schema_report {
  schema_state state = schema_state::ready;
  std::string message;
};

namespace detail {

inline constexpr pg::statement find_table{"schema_find_table",
                                          "select 1 from pg_class where oid = to_regclass('schema_migrations')"};
inline constexpr pg::statement select_versions{"schema_select_versions",
                                               "select version from schema_migrations order by version"};

inline std::vector<std::string> difference(std::span<const std::string> from, std::span<const std::string> without) {
  std::vector<std::string> left;
  std::ranges::copy_if(from, std::back_inserter(left), [&](const std::string& version) {
    return std::ranges::find(without, version) == without.end();
  });
  return left;
}

}  // namespace detail

/// Compares the versions of `known` with those applied. Older comes before newer: it is what this binary can mend.
inline schema_report compare_schema(std::span<const std::string> known, std::span<const std::string> applied) {
  const auto pending = detail::difference(known, applied);
  const auto unknown = detail::difference(applied, known);
  if (applied.empty() && !known.empty()) {
    return {schema_state::missing, "the database has no schema yet: run `coffer migrate up`"};
  }
  if (!pending.empty()) {
    return {schema_state::older,
            fmt::format("the database schema is older than this binary, {} of its migrations not applied (first: {}):"
                        " run `coffer migrate up`",
                        pending.size(), pending.front())};
  }
  if (!unknown.empty()) {
    return {schema_state::newer,
            fmt::format("the database schema is newer than this binary, which does not know its migration {}: deploy"
                        " the coffer it was migrated with, or undo it with that one's `coffer migrate down`",
                        unknown.back())};
  }
  return {};
}

/// The versions in schema_migrations in their order; empty when there is no such table. Throws pg::error.
inline net::task<std::vector<std::string>> applied_versions(pg::connection& db, net::deadline until) {
  std::vector<std::string> versions;
  const pg::rows table = co_await db.query(detail::find_table, until);
  if (!table.empty()) {
    const pg::rows found = co_await db.query(detail::select_versions, until);
    for (int r = 0; r < found.size(); ++r) {
      versions.emplace_back(found.text(r, 0));
    }
  }
  co_return versions;
}

/// What is said where --prepared is on behind a pooler in transaction mode.
inline constexpr std::string_view shared_sessions =
    "the database is behind a pooler in transaction mode, which keeps neither prepared statements nor the session's"
    " time limits: start with --prepared off (COFFER_PREPARED=off), or name a pool in session mode, or PostgreSQL "
    "itself, in DATABASE_URL";

/// Why coffer cannot keep its texts in the database behind `db`, with the remedy; empty when it is UTF8.
inline std::string encoding_problem(const pg::connection& db) {
  const std::string_view encoding = db.server_encoding();
  if (encoding == "UTF8") {
    return {};
  }
  return fmt::format(
      "the database has the encoding {}, which cannot hold every name: coffer needs UTF8. Make another with `create"
      " database NAME encoding 'UTF8' template template0` (an existing one is moved with pg_dump and pg_restore)",
      encoding);
}

/// The state of the database behind `db` with respect to the embedded migrations. Reads one small table. Throws
/// pg::error.
inline net::task<schema_report> check_schema(pg::connection& db, net::deadline until) {
  std::vector<std::string> known;
  for (const migration& file : built_in_migrations()) {
    known.push_back(file.version);
  }
  const std::vector<std::string> applied = co_await applied_versions(db, until);
  co_return compare_schema(known, applied);
}

}  // namespace coffer::app
