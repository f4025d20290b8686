#include "coffer/app/migrations.hpp"

#include "support/catch.hpp"

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
