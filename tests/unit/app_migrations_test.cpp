#include "coffer/app/migrations.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace app_migrations_test {

using namespace coffer;

namespace {

std::string problem(std::string_view name, std::string_view text) {
  const auto parsed = app::parse_migration(name, text);
  return parsed ? "" : parsed.error();
}

}  // namespace

TEST_CASE("a migration file splits into its two directions") {
  const auto parsed = app::parse_migration("20260102030405_add_things.sql",
                                           "-- a comment\n\n-- migrate:up\ncreate table t ();\n-- why\n"
                                           "create table u ();\r\n\n-- migrate:down\ndrop table u;\ndrop table t;\n");
  REQUIRE(parsed.has_value());
  CHECK(parsed->version == "20260102030405");
  CHECK(parsed->file_name == "20260102030405_add_things.sql");
  CHECK(parsed->up.sql == "create table t ();\n-- why\ncreate table u ();");
  CHECK(parsed->up.in_transaction);
  CHECK(parsed->has_down);
  CHECK(parsed->down.sql == "drop table u;\ndrop table t;");
  CHECK(parsed->down.in_transaction);
}

TEST_CASE("each direction of a migration can ask for no transaction") {
  const auto parsed =
      app::parse_migration("1_x.sql", "--migrate:up transaction:false\nvacuum;\n-- migrate:down  transaction:true \n");
  REQUIRE(parsed.has_value());
  CHECK(!parsed->up.in_transaction);
  CHECK(parsed->down.in_transaction);
  CHECK(parsed->down.sql.empty());
}

TEST_CASE("a migration without a way down says so") {
  const auto parsed = app::parse_migration("1_x.sql", "-- migrate:up\nselect 1;");
  REQUIRE(parsed.has_value());
  CHECK(!parsed->has_down);
}

TEST_CASE("a malformed migration file is refused with its name and the reason") {
  CHECK(problem("x.sql", "-- migrate:up\n") == "x.sql is not a migration's name: it must be <timestamp>_<name>.sql");
  CHECK(problem("1_x.txt", "-- migrate:up\n").starts_with("1_x.txt is not a migration's name"));
  CHECK(problem("1_x.sql", "") == "1_x.sql has no '-- migrate:up' line: see `coffer migrate new` for a template");
  CHECK(problem("1_x.sql", "select 1;\n-- migrate:up\n") == "1_x.sql has a statement before its '-- migrate:up' line");
  CHECK(problem("1_x.sql", "-- migrate:down\n-- migrate:up\n") ==
        "1_x.sql has its '-- migrate:down' line before '-- migrate:up'");
  CHECK(problem("1_x.sql", "-- migrate:up\n-- migrate:up\n") ==
        "1_x.sql has two '-- migrate:up' or two '-- migrate:down' lines");
  CHECK(problem("1_x.sql", "-- migrate:up transactions:false\n") ==
        "1_x.sql has the unknown option 'transactions:false': transaction:false is the only one");
}

TEST_CASE("the migrations in the binary are sorted and can all be undone") {
  const auto all = app::built_in_migrations();
  REQUIRE(!all.empty());
  CHECK(all.front().file_name == "20261101120000_initial.sql");
  for (std::size_t i = 0; i < all.size(); ++i) {
    CAPTURE(all[i].file_name);
    CHECK(all[i].version.size() == 14);
    CHECK(all[i].has_down);
    CHECK((i == 0 || all[i - 1].version < all[i].version));
  }
}

namespace {

/// The statements of a block in lower case, without comments, blanks collapsed. A body in $$ is part of its statement.
std::vector<std::string> statements_of(const std::string& sql) {
  std::vector<std::string> all(1);
  bool quoted = false;
  for (std::size_t i = 0; i < sql.size(); ++i) {
    std::string& last = all.back();
    if (sql.compare(i, 2, "--") == 0) {
      i = std::min(sql.find('\n', i), sql.size());
    }
    if (sql.compare(i, 2, "$$") == 0) {
      quoted = !quoted;
    }
    const char c = i < sql.size() ? sql[i] : ' ';
    if (c == ';' && !quoted) {
      all.emplace_back();
    } else if (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
      last += last.empty() || last.back() == ' ' ? "" : " ";
    } else {
      last += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  return all;
}

/// The word behind `prefix` at the start of `statement`; empty when it does not start so.
std::string word_behind(const std::string& statement, const std::string& prefix) {
  if (!statement.starts_with(prefix)) {
    return {};
  }
  const auto end = statement.find_first_of(" (;", prefix.size());
  return statement.substr(prefix.size(), end == std::string::npos ? end : end - prefix.size());
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

bool has_word(const std::string& text, const std::string& word) {
  const auto is_part = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    const auto end = at + word.size();
    if ((at == 0 || !is_part(text[at - 1])) && (end == text.size() || !is_part(text[end]))) {
      return true;
    }
  }
  return false;
}

/// What a way down drops and says nothing about.
std::vector<std::string> undeclared_drops(const app::migration& file) {
  std::vector<std::string> found;
  const auto is_named = [&file](const std::string& name, const std::string& table, const std::string& column) {
    return std::ranges::any_of(file.drops, [&](const auto& d) { return std::ranges::count(d.names, name) > 0; }) ||
           std::ranges::any_of(file.losses, [&](const app::migration_loss& l) {
             return l.table == table && (l.condition.empty() || has_word(l.condition, column));
           });
  };
  for (const std::string& statement : statements_of(file.down.sql)) {
    if (const std::string table = word_behind(statement, "drop table "); !table.empty()) {
      if (!is_named(table, table, "-")) {
        found.push_back(table);
      }
    }
    if (const std::string table = word_behind(statement, "alter table "); !table.empty()) {
      for (auto at = statement.find("drop column "); at != std::string::npos;
           at = statement.find("drop column ", at + 1)) {
        const auto end = statement.find_first_of(" ,", at + 12);
        const std::string column = statement.substr(at + 12, end == std::string::npos ? end : end - at - 12);
        if (!is_named(table + "." + column, table, column)) {
          found.push_back(table + "." + column);
        }
      }
    }
    if (statement.starts_with("delete from ") || statement.starts_with("truncate ")) {
      found.push_back(statement);
    }
  }
  return found;
}

/// Whether a statement takes ACCESS EXCLUSIVE on `table` (and keeps it to the end of its transaction).
bool shuts_out(const std::string& statement, const std::string& table) {
  return (word_behind(statement, "alter table ") == table && !has(statement, "validate constraint")) ||
         word_behind(statement, "drop table ") == table || word_behind(statement, "truncate ") == table;
}

/// The statements of a block that read a large table while nobody else may.
std::vector<std::string> blocking_reads(const app::migration_block& block) {
  // Few rows, however large the shop; a table that the block itself makes is empty.
  const std::set<std::string> small{"products", "product_stock", "api_keys", "job_runs", "schema_migrations"};
  std::set<std::string> made;
  std::set<std::string> shut;
  std::vector<std::string> found;
  for (const std::string& statement : statements_of(block.sql)) {
    if (const std::string table = word_behind(statement, "create table "); !table.empty()) {
      made.insert(table);
      continue;
    }
    const auto is_large = [&](const std::string& table) { return !made.contains(table) && !small.contains(table); };
    if (const std::string table = word_behind(statement, "alter table "); !table.empty() && is_large(table)) {
      const bool checks = has(statement, " check ") || has(statement, " references ") || has(statement, " unique") ||
                          has(statement, " primary key") || has(statement, " exclude ");
      const bool later = has(statement, " not valid") || has(statement, " using index ");
      if ((checks && !later) || has(statement, " set not null") || has(statement, " type ") ||
          has(statement, " generated ") || (has(statement, "validate constraint") && shut.contains(table))) {
        found.push_back(statement);
      }
    }
    // Building an index keeps writers out, and readers only where the table was shut before.
    if (statement.starts_with("create ") && has(statement, " index ") && has(statement, " on ") &&
        shut.contains(word_behind(statement.substr(statement.find(" on ")), " on "))) {
      found.push_back(statement);
    }
    const bool reads = statement.starts_with("update ") || statement.starts_with("insert ") ||
                       statement.starts_with("delete ") || statement.starts_with("do ") ||
                       statement.starts_with("with ") || statement.starts_with("select ");
    if (reads && std::ranges::any_of(shut, [&](const std::string& table) { return has_word(statement, table); })) {
      found.push_back(statement);
    }
    for (const std::string prefix : {"alter table ", "drop table ", "truncate "}) {
      if (const std::string table = word_behind(statement, prefix);
          !table.empty() && is_large(table) && shuts_out(statement, table) && block.in_transaction) {
        shut.insert(table);
      }
    }
  }
  return found;
}

app::migration parsed(const std::string& text) { return app::parse_migration("1_x.sql", text).value(); }

}  // namespace

TEST_CASE("what coffer is told about a migration is read, and is no part of its checksum") {
  const std::string sum(64, 'a');
  const app::migration plain = parsed("-- migrate:up\ncreate table t ();\n-- migrate:down\ndrop table t;");
  const app::migration told = parsed("-- coffer:replaces " + sum +
                                     "\n-- migrate:up\ncreate table t ();\n-- migrate:down\n"
                                     "-- coffer:loses rows of the test: t where a > 1 and b is null\n"
                                     "-- coffer:loses all: u\n-- coffer:drops t.c, v: counted again\ndrop table t;");
  CHECK(told.sha256 == plain.sha256);
  CHECK(told.up.sql == plain.up.sql);
  CHECK(told.down.sql == plain.down.sql);
  CHECK(told.replaces == std::vector{sum});
  REQUIRE(told.losses.size() == 2);
  CHECK(told.losses[0].what == "rows of the test");
  CHECK(told.losses[0].table == "t");
  CHECK(told.losses[0].condition == "a > 1 and b is null");
  CHECK((told.losses[1].table == "u" && told.losses[1].condition.empty()));
  REQUIRE(told.drops.size() == 1);
  CHECK(told.drops[0].names == std::vector<std::string>{"t.c", "v"});
  CHECK(told.drops[0].why == "counted again");
  for (const char* wrong : {"-- coffer:", "-- coffer:lose x: t", "-- coffer:loses", "-- coffer:loses t",
                            "-- coffer:loses x:", "-- coffer:loses x: t if a", "-- coffer:drops t",
                            "-- coffer:drops : y", "-- coffer:replaces", "-- coffer:replaces abc"}) {
    CAPTURE(wrong);
    CHECK(problem("1_x.sql", std::string{wrong} + "\n-- migrate:up\n").starts_with("1_x.sql "));
  }
}

TEST_CASE("every way down says what is lost with the tables and columns that it drops") {
  for (const app::migration& file : app::built_in_migrations()) {
    CAPTURE(file.file_name);
    CHECK(undeclared_drops(file) == std::vector<std::string>{});
  }
  const auto drops = [](const std::string& lines) {
    return undeclared_drops(parsed("-- migrate:up\n-- migrate:down\n" + lines));
  };
  CHECK(drops("drop table t;") == std::vector<std::string>{"t"});
  CHECK(drops("alter table t drop column a, drop column b;") == std::vector<std::string>{"t.a", "t.b"});
  CHECK(drops("-- coffer:loses x: t where a is not null\nalter table t drop column ab;") ==
        std::vector<std::string>{"t.ab"});
  CHECK(drops("-- coffer:drops t.a: why\n-- coffer:loses x: u\nalter table t drop column a;\ndrop table u;").empty());
  CHECK(drops("delete from t;").size() == 1);
}

TEST_CASE("no migration reads a large table while nobody else may use it") {
  for (const app::migration& file : app::built_in_migrations()) {
    CAPTURE(file.file_name);
    CHECK(blocking_reads(file.up) == std::vector<std::string>{});
    CHECK(blocking_reads(file.down) == std::vector<std::string>{});
  }
  for (const char* wrong :
       {"alter table users add constraint c check (balance >= 0)",
        "alter table users alter column version set not null", "alter table users alter column version type numeric",
        "alter table users add column x bigint check (x > 0)",
        "alter table users add column x bigint; create index i on users (x)",
        "alter table users add column x bigint; update users set x = 1",
        "alter table transactions add column x bigint; insert into t select * from transactions",
        "alter table users add constraint c check (balance >= 0) not valid; alter table users validate constraint c",
        "alter table users add constraint f foreign key (id) references other (id)"}) {
    CAPTURE(wrong);
    CHECK(blocking_reads(parsed(std::string{"-- migrate:up\n"} + wrong + ";\n").up).size() == 1);
  }
  for (const char* right :
       {"create table t (x bigint check (x > 0)); create index i on t (x)",
        "alter table users add constraint c check (balance >= 0) not valid", "alter table users validate constraint c",
        "alter table users add column x bigint not null default 0", "create index concurrently i on users (id)",
        "alter table products add column x bigint check (x > 0)"}) {
    CAPTURE(right);
    CHECK(blocking_reads(parsed(std::string{"-- migrate:up\n"} + right + ";\n").up).empty());
  }
}

}  // namespace app_migrations_test
