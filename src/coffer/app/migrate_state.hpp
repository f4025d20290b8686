// Whether a database has the schema that this binary was built for.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "coffer/app/migrations.hpp"
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
std::string_view to_string(schema_state state) noexcept;

/// The state, and a sentence that says what is wrong and which command comes next; empty when ready.
struct schema_report {
  schema_state state = schema_state::ready;
  std::string message;
};

/// Compares the versions of `known` with those applied. Older comes before newer: it is what this binary can mend.
schema_report compare_schema(std::span<const std::string> known, std::span<const std::string> applied);

/// The versions in schema_migrations in their order; empty when there is no such table. Throws pg::error.
net::task<std::vector<std::string>> applied_versions(pg::connection& db, net::deadline until);

/// What is said where --prepared is on behind a pooler in transaction mode.
inline constexpr std::string_view shared_sessions =
    "the database is behind a pooler in transaction mode, which keeps neither prepared statements nor the session's"
    " time limits: start with --prepared off (COFFER_PREPARED=off), or name a pool in session mode, or PostgreSQL "
    "itself,"
    " in DATABASE_URL";

/// Why coffer cannot keep its texts in the database behind `db`, with the remedy; empty when it is UTF8.
std::string encoding_problem(const pg::connection& db);

/// The state of the database behind `db` with respect to the embedded migrations. Reads one small table. Throws
/// pg::error.
net::task<schema_report> check_schema(pg::connection& db, net::deadline until);

}  // namespace coffer::app
