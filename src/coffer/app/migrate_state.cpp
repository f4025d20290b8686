#include "coffer/app/migrate_state.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "coffer/base/assert.hpp"

namespace coffer::app {

namespace {

constexpr pg::statement find_table{"schema_find_table",
                                   "select 1 from pg_class where oid = to_regclass('schema_migrations')"};
constexpr pg::statement select_versions{"schema_select_versions",
                                        "select version from schema_migrations order by version"};

std::vector<std::string> difference(std::span<const std::string> from, std::span<const std::string> without) {
  std::vector<std::string> left;
  std::ranges::copy_if(from, std::back_inserter(left), [&](const std::string& version) {
    return std::ranges::find(without, version) == without.end();
  });
  return left;
}

}  // namespace

std::string_view to_string(schema_state state) noexcept {
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

schema_report compare_schema(std::span<const std::string> known, std::span<const std::string> applied) {
  const auto pending = difference(known, applied);
  const auto unknown = difference(applied, known);
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

std::string encoding_problem(const pg::connection& db) {
  const std::string_view encoding = db.server_encoding();
  if (encoding == "UTF8") {
    return {};
  }
  return fmt::format(
      "the database has the encoding {}, which cannot hold every name: coffer needs UTF8. Make another with `create"
      " database NAME encoding 'UTF8' template template0` (an existing one is moved with pg_dump and pg_restore)",
      encoding);
}

net::task<std::vector<std::string>> applied_versions(pg::connection& db, net::deadline until) {
  std::vector<std::string> versions;
  const pg::rows table = co_await db.query(find_table, until);
  if (!table.empty()) {
    const pg::rows found = co_await db.query(select_versions, until);
    for (int r = 0; r < found.size(); ++r) {
      versions.emplace_back(found.text(r, 0));
    }
  }
  co_return versions;
}

net::task<schema_report> check_schema(pg::connection& db, net::deadline until) {
  std::vector<std::string> known;
  for (const migration& file : built_in_migrations()) {
    known.push_back(file.version);
  }
  const std::vector<std::string> applied = co_await applied_versions(db, until);
  co_return compare_schema(known, applied);
}

}  // namespace coffer::app
