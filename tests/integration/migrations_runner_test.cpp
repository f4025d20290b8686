#include <algorithm>
#include <cstdlib>
#include <mutex>

#include "coffer/app/migrate.hpp"
#include "coffer/app/one_shot.hpp"
#include "coffer/app/schema_state.hpp"
#include "support/catch.hpp"
#include "support/database.hpp"
#include "support/eventually.hpp"
#include "support/parallel.hpp"
#include "support/pg_environment.hpp"
#include "support/process.hpp"
#include "support/run_task.hpp"
#include "support/temporary_folder.hpp"

using namespace coffer;

namespace {

/// Files like those of a folder, from their texts.
std::vector<app::migration> files_of(const std::vector<std::pair<std::string, std::string>>& texts) {
  std::vector<app::migration> files;
  for (const auto& [name, text] : texts) {
    files.push_back(app::parse_migration(name, text).value());
  }
  return files;
}

const std::string add_a = "-- migrate:up\ncreate table a (x int);\n-- migrate:down\ndrop table a;\n";
const std::string add_b = "-- migrate:up\ncreate table b (x int);\n-- migrate:down\ndrop table b;\n";

app::migrate_run run_on(const test::database& db, std::vector<app::migration> files) {
  app::migrate_run run;
  run.database_url = db.url();
  run.files = std::move(files);
  return run;
}

/// What migrating up with `run` complains about; empty when nothing.
std::string complaint(const app::migrate_run& run) {
  try {
    app::migrate_up(run);
    return {};
  } catch (const app::command_error& e) {
    return e.what();
  }
}

bool says(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

bool has_table(test::database& db, const std::string& name) {
  return !db.query("select from pg_tables where schemaname = 'public' and tablename = $1", {name}).rows.empty();
}

net::task<app::schema_report> check(std::string url) {
  pg::options options{std::move(url)};
  const auto until = net::deadline_in(std::chrono::seconds{5});
  auto db = co_await pg::connection::open(co_await asio::this_coro::executor, std::move(options), until);
  co_return co_await app::check_schema(*db, until);
}

app::schema_report schema_of(const test::database& db) {
  asio::io_context context{1};
  return test::run_task(context, check(db.url()));
}

/// Everything in the schema that a migration can make, as text.
std::string shape(test::database& db) {
  std::string text;
  for (const char* sql :
       {"select table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' ||"
        " coalesce(column_default, '') from information_schema.columns where table_schema = 'public' order by 1",
        "select indexdef from pg_indexes where schemaname = 'public' order by 1",
        "select conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) from pg_constraint"
        " where connamespace = 'public'::regnamespace order by 1",
        "select relname || ' ' || coalesce(reloptions::text, '') from pg_class where relnamespace ="
        " 'public'::regnamespace and relkind in ('r', 'S') order by 1"}) {
    for (const auto& row : db.query(sql).rows) {
      text += *row[0] + "\n";
    }
  }
  return text;
}

}  // namespace

TEST_CASE("the migrations go up, down to nothing, and up again to the same schema") {
  test::database db = test::database::empty();
  const auto run = run_on(db, app::built_in_migrations());
  CHECK(app::migrate_up(run) == run.files.size());
  CHECK(app::migrate_up(run) == 0);
  const std::string first = shape(db);
  CHECK(says(first, "transactions_key_bytes"));

  CHECK(app::migrate_down(run, std::nullopt) == run.files.size());
  CHECK(db.integer("select count(*) from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'S')"
                   " and relname not in ('schema_migrations', 'coffer_migrations')") == 0);
  CHECK(db.integer("select count(*) from schema_migrations") == 0);

  CHECK(app::migrate_up(run) == run.files.size());
  CHECK(shape(db) == first);
}

TEST_CASE("each migration goes down and up again by itself") {
  test::database db = test::database::empty();
  const auto run = run_on(db, app::built_in_migrations());
  app::migrate_up(run);
  const std::string newest = shape(db);
  for (std::size_t undone = 1; undone <= run.files.size(); ++undone) {
    CHECK(app::migrate_down(run, 1) == 1);
    CHECK(db.integer("select count(*) from schema_migrations") == static_cast<std::int64_t>(run.files.size() - undone));
  }
  CHECK(app::migrate_down(run, 1) == 0);
  app::migrate_up(run);
  CHECK(shape(db) == newest);
}

TEST_CASE("migrations run in order, one at a time, and report themselves") {
  test::database db = test::database::empty();
  auto run = run_on(db, files_of({{"1_a.sql", add_a}, {"2_b.sql", "-- migrate:up\nalter table a rename to c;\n"}}));
  std::vector<std::string> lines;
  run.report = [&](std::string_view line) { lines.emplace_back(line); };
  CHECK(app::migrate_up(run) == 2);
  CHECK(has_table(db, "c"));
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].starts_with("applied 1_a.sql ("));
  CHECK(lines[1].starts_with("applied 2_b.sql ("));
}

TEST_CASE("down undoes as many as it is told, newest first") {
  test::database db = test::database::empty();
  const auto run = run_on(db, files_of({{"1_a.sql", add_a}, {"2_b.sql", add_b}}));
  app::migrate_up(run);
  CHECK(app::migrate_down(run, 1) == 1);
  CHECK(has_table(db, "a"));
  CHECK(!has_table(db, "b"));
  CHECK(app::migrate_down(run, 5) == 1);
  CHECK(!has_table(db, "a"));
}

TEST_CASE("runners that start at once apply every migration exactly once") {
  for (int round = 0; round < 5; ++round) {
    test::database db = test::database::empty();
    const auto counts = test::parallel_map(4, [&](std::size_t) {
      return app::migrate_up(
          run_on(db, files_of({{"1_a.sql", "-- migrate:up\ncreate table a (x int); select pg_sleep(0.02);"},
                               {"2_b.sql", add_b}})));
    });
    CHECK(std::count(counts.begin(), counts.end(), 2U) == 1);
    CHECK(std::count(counts.begin(), counts.end(), 0U) == 3);
    CHECK(db.integer("select count(*) from schema_migrations") == 2);
  }
}

TEST_CASE("a runner that has to wait says for whom, and gives up in the end") {
  test::database db = test::database::empty();
  db.query("select pg_advisory_lock(x'636f666665720001'::bigint)");
  auto run = run_on(db, files_of({{"1_a.sql", add_a}}));
  run.lock_wait = std::chrono::milliseconds{250};
  std::vector<std::string> lines;
  run.report = [&](std::string_view line) { lines.emplace_back(line); };
  const std::string holder = " (server process " + std::to_string(db.sql().backend_pid()) + ")";
  CHECK(says(complaint(run), "another migration run" + holder + " still holds the lock"));
  CHECK(lines == std::vector<std::string>{"waiting for another migration run to finish" + holder});
  CHECK(!has_table(db, "a"));
}

TEST_CASE("a migration that fails is rolled back as a whole, and those before it stay") {
  test::database db = test::database::empty();
  const auto run = run_on(db, files_of({{"1_a.sql", add_a},
                                        {"2_b.sql", "-- migrate:up\ncreate table b (x int);\nselect 1/0;"},
                                        {"3_c.sql", "-- migrate:up\ncreate table c (x int);"}}));
  const std::string text = complaint(run);
  CHECK(says(text, "2_b.sql failed"));
  CHECK(says(text, "division by zero"));
  CHECK(says(text, "It was rolled back as a whole"));
  CHECK(has_table(db, "a"));
  CHECK(!has_table(db, "b"));
  CHECK(!has_table(db, "c"));
  CHECK(db.text("select string_agg(version, ',') from schema_migrations") == "1");
  CHECK(db.text("select string_agg(version, ',') from coffer_migrations") == "1");
}

TEST_CASE("a migration may ask to run outside a transaction") {
  test::database db = test::database::empty();
  const auto run = run_on(db, files_of({{"1_a.sql", add_a},
                                        {"2_i.sql",
                                         "-- migrate:up transaction:false\ncreate index concurrently a_x on a (x);\n"
                                         "-- migrate:down transaction:false\ndrop index concurrently a_x;\n"}}));
  CHECK(app::migrate_up(run) == 2);
  CHECK(db.integer("select count(*) from pg_indexes where indexname = 'a_x'") == 1);
  CHECK(app::migrate_down(run, 1) == 1);
  CHECK(db.integer("select count(*) from pg_indexes where indexname = 'a_x'") == 0);
  const auto bad =
      run_on(db, files_of({{"1_a.sql", add_a}, {"3_x.sql", "-- migrate:up transaction:false\nselect 1/0"}}));
  CHECK(says(complaint(bad), "It runs without a transaction"));
}

TEST_CASE("a migration that waits for the service's locks gives up soon and says so") {
  test::database db = test::database::empty();
  app::migrate_up(run_on(db, files_of({{"1_a.sql", add_a}})));
  db.query("begin");
  db.query("select * from a");
  auto run = run_on(db, files_of({{"1_a.sql", add_a}, {"2_b.sql", "-- migrate:up\nalter table a add y int;"}}));
  run.lock_timeout = std::chrono::milliseconds{50};
  CHECK(says(complaint(run), "The service was using the table: run it again"));
  db.query("commit");
  CHECK(complaint(run).empty());
}

TEST_CASE("a file that was changed after it had been applied is refused with the remedy") {
  test::database db = test::database::empty();
  app::migrate_up(run_on(db, files_of({{"1_a.sql", add_a}})));
  auto run = run_on(db, files_of({{"1_a.sql", add_a + "-- a remark\n"}, {"2_b.sql", add_b}}));
  const std::string text = complaint(run);
  CHECK(says(text, "1_a.sql was changed after it had been applied"));
  CHECK(says(text, "coffer migrate new NAME"));
  CHECK(says(text, "--accept-changed"));
  CHECK(!has_table(db, "b"));
  CHECK_THROWS_AS(app::migrate_down(run, 1), app::command_error);
  CHECK(has_table(db, "a"));
  CHECK(app::migrate_status(run).at(0).changed);

  run.accept_changed = true;
  CHECK(app::migrate_up(run) == 1);
  run.accept_changed = false;
  CHECK(complaint(run).empty());
}

TEST_CASE("nothing is undone when a file is unknown or has no way down") {
  test::database db = test::database::empty();
  app::migrate_up(run_on(db, files_of({{"1_a.sql", "-- migrate:up\ncreate table a ();"}, {"2_b.sql", add_b}})));
  CHECK_THROWS_AS(app::migrate_down(run_on(db, files_of({{"2_b.sql", add_b}})), std::nullopt), app::command_error);
  CHECK_THROWS_AS(
      app::migrate_down(run_on(db, files_of({{"1_a.sql", "-- migrate:up\ncreate table a ();"}, {"2_b.sql", add_b}})),
                        std::nullopt),
      app::command_error);
  CHECK(has_table(db, "b"));
}

namespace {

const std::string lossy_b =
    "-- migrate:up\ncreate table b (x int);\n-- migrate:down\n-- coffer:loses big rows: b where x > 10\n"
    "drop table b;\n";

/// What undoing `steps` complains about; empty when nothing.
std::string complaint_down(const app::migrate_run& run, std::optional<std::size_t> steps) {
  try {
    app::migrate_down(run, steps);
    return {};
  } catch (const app::command_error& e) {
    return e.what();
  }
}

}  // namespace

TEST_CASE("nothing is undone while rows would be lost, and the refusal counts them") {
  test::database db = test::database::empty();
  auto run = run_on(db, files_of({{"1_a.sql", add_a},
                                  {"2_b.sql", lossy_b},
                                  {"3_c.sql", "-- migrate:up\ncreate table c ();\n-- migrate:down\ndrop table c;\n"}}));
  app::migrate_up(run);
  db.query("insert into b values (1), (11), (12)");
  const std::string text = complaint_down(run, 3);
  CHECK(says(text, "2 big rows (2_b.sql)"));
  CHECK(says(text, "Nothing was undone"));
  CHECK(says(text, "--delete-data"));
  CHECK(has_table(db, "c"));
  CHECK(complaint_down(run, 1).empty());
  CHECK(!has_table(db, "c"));

  run.delete_data = true;
  std::string asked;
  run.confirm = [&asked](const std::string& database, const std::vector<std::string>& losses) {
    asked = database + ": " + losses.at(0);
    return false;
  };
  CHECK(says(complaint_down(run, 1), "Nothing was undone"));
  CHECK(asked == db.name() + ": 2 big rows (2_b.sql)");
  CHECK(has_table(db, "b"));
  run.confirm = [](const auto&, const auto&) { return true; };
  CHECK(complaint_down(run, 1).empty());
  CHECK(!has_table(db, "b"));
  // Rows that the condition does not name are nobody's loss.
  run.delete_data = false;
  app::migrate_up(run);
  db.query("insert into b values (1)");
  CHECK(complaint_down(run, 3).empty());
}

TEST_CASE("a row that comes while its migration is being undone is not lost") {
  test::database db = test::database::empty();
  auto run = run_on(db, files_of({{"1_a.sql", add_a}, {"2_b.sql", lossy_b}}));
  app::migrate_up(run);
  // A writer that has begun: its row is not seen by the first look, and the second waits for it.
  db.query("begin");
  db.query("insert into b values (99)");
  std::string text;
  test::parallel(2, [&](std::size_t i) {
    if (i == 0) {
      text = complaint_down(run, 1);
      return;
    }
    test::sql_session looking{db.url()};
    const char* const waiting = "select count(*) from pg_locks where not granted and relation = 'b'::regclass";
    const bool waited = test::eventually(std::chrono::seconds{20}, [&] { return looking.integer(waiting) > 0; });
    db.query("commit");
    if (!waited) {
      throw std::runtime_error{"nobody waits for the table"};
    }
  });
  CHECK(says(text, "1 big rows came while 2_b.sql was being undone"));
  CHECK(db.integer("select x from b") == 99);
}

TEST_CASE("a file that replaces an applied one that led to the same schema is not called changed") {
  test::database db = test::database::empty();
  const auto old = files_of({{"1_a.sql", add_a}});
  app::migrate_up(run_on(db, old));
  const auto mended = files_of({{"1_a.sql", "-- coffer:replaces " + old[0].sha256 +
                                                "\n-- migrate:up\ncreate table if not exists a (x int);\n"}});
  CHECK(mended[0].sha256 != old[0].sha256);
  CHECK(complaint(run_on(db, mended)).empty());
  CHECK(!app::migrate_status(run_on(db, mended)).at(0).changed);

  // The files of the program, where their former texts were applied.
  test::database before;
  for (const app::migration& file : app::built_in_migrations()) {
    for (const std::string& sum : file.replaces) {
      before.query("update coffer_migrations set sha256 = $2 where version = $1", {file.version, sum});
    }
  }
  CHECK(before.integer("select count(*) from coffer_migrations where sha256 like '367a3ba70a%'") == 1);
  CHECK(app::migrate_up(run_on(before, app::built_in_migrations())) == 0);
}

namespace {

/// A role that may log in and nothing else, dropped at the end with what it owns.
class plain_role {
 public:
  explicit plain_role(test::database& of) : of_{of}, name_{"coffer_plain_" + of.name()} {
    of_.query("create role " + name_ + " login");
  }
  ~plain_role() {
    of_.query("drop owned by " + name_);
    of_.query("drop role " + name_);
  }
  plain_role(const plain_role&) = delete;
  plain_role& operator=(const plain_role&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::string url() const { return test::url_with(of_.url(), {{"options", "-c role=" + name_}}); }

 private:
  test::database& of_;
  std::string name_;
};

}  // namespace

TEST_CASE("migrating as a role that may not is refused with the role that may") {
  test::database db = test::database::empty();
  plain_role role{db};
  auto run = run_on(db, app::built_in_migrations());
  SECTION("where the schema public is closed, as from PostgreSQL 15 on") {
    run.database_url = role.url();
    const std::string text = complaint(run);
    CHECK(says(text, "the role " + role.name() + " may not create tables in the schema public"));
    CHECK(says(text, "grant create on schema public to \"" + role.name() + "\""));
    CHECK(!says(text, "that the server runs"));
    db.query("grant create on schema public to " + role.name());
    CHECK(complaint(run).empty());
  }
  SECTION("where the tables are somebody else's") {
    app::migrate_up(run);
    const std::string owner = db.text("select current_user");
    const test::serving_role serving{db};
    run.database_url = serving.url();
    const std::string text = complaint(run);
    CHECK(says(text, "its tables belong to " + owner));
    CHECK(says(complaint_down(run, 1), "its tables belong to " + owner));
    CHECK(app::migrate_status(run).size() == run.files.size());
  }
}

TEST_CASE("a database that is not UTF8 is refused with the way to make one") {
  const std::string name = "coffer_latin_" + test::database{}.name();
  test::sql_session server{test::database_url()};
  server.query("create database " + name + " encoding 'LATIN1' locale 'C' template template0");
  app::migrate_run run;
  run.database_url = test::with_database(test::database_url(), name);
  run.files = app::built_in_migrations();
  const std::string text = complaint(run);
  server.query("drop database " + name + " with (force)");
  CHECK(says(text, "has the encoding LATIN1"));
  CHECK(says(text, "encoding 'UTF8' template template0"));
}

TEST_CASE("the status lists applied, pending and unknown migrations and changes nothing") {
  test::database db = test::database::empty();
  const auto both = run_on(db, files_of({{"1_a.sql", add_a}, {"2_b.sql", add_b}}));
  auto list = app::migrate_status(both);
  REQUIRE(list.size() == 2);
  CHECK(!list[0].applied);
  CHECK(!has_table(db, "schema_migrations"));

  app::migrate_up(both);
  list = app::migrate_status(run_on(db, files_of({{"2_b.sql", add_b}, {"3_c.sql", add_a}})));
  REQUIRE(list.size() == 3);
  CHECK((list[0].version == "1" && list[0].applied && list[0].file_name.empty()));
  CHECK((list[1].version == "2" && list[1].applied && list[1].file_name == "2_b.sql"));
  CHECK((list[2].version == "3" && !list[2].applied && list[2].file_name == "3_c.sql"));
}

TEST_CASE("a database that cannot be reached is told with what to check") {
  app::migrate_run run;
  run.database_url = "postgresql://nobody@127.0.0.1:1/none";
  CHECK(says(complaint(run), "Check --database-url or DATABASE_URL"));
}

TEST_CASE("a new migration is a file in dbmate's format that is named by the time") {
  const test::temporary_folder folder;
  const std::string path = app::new_migration(folder.path().string(), "add_stock");
  CHECK(path.ends_with("_add_stock.sql"));
  const auto files = app::read_migrations(folder.path().string());
  REQUIRE(files.has_value());
  REQUIRE(files->size() == 1);
  CHECK(files->at(0).version.size() == 14);
  CHECK(files->at(0).has_down);
  CHECK_THROWS_AS(app::new_migration(folder.path().string(), "../x"), app::command_error);
  CHECK_THROWS_AS(app::new_migration(folder.path().string(), ""), app::command_error);
  CHECK_THROWS_AS(app::new_migration("/no/such/folder", "x"), app::command_error);
}

TEST_CASE("a folder of migrations is read in order, and its problems are named") {
  const test::temporary_folder folder;
  folder.write("20_b.sql", add_b);
  folder.write("10_a.sql", add_a);
  folder.write("README.md", "not a migration");
  const auto files = app::read_migrations(folder.path().string());
  REQUIRE(files.has_value());
  REQUIRE(files->size() == 2);
  CHECK(files->at(0).file_name == "10_a.sql");
  folder.write("10_other.sql", add_a);
  CHECK(says(app::read_migrations(folder.path().string()).error(), "have the same version 10"));
  folder.write("10_other.sql", "select 1;");
  CHECK(says(app::read_migrations(folder.path().string()).error(), "10_other.sql has a statement before"));
  CHECK(says(app::read_migrations("/no/such/folder").error(), "/no/such/folder cannot be read"));
}

TEST_CASE("the schema of a database is ready, missing, older or newer, with the next command") {
  test::database db = test::database::empty();
  CHECK(schema_of(db).state == app::schema_state::missing);
  CHECK(says(schema_of(db).message, "coffer migrate up"));

  app::migrate_up(run_on(db, app::built_in_migrations()));
  CHECK(schema_of(db).state == app::schema_state::ready);
  CHECK(schema_of(db).message.empty());

  db.query("insert into schema_migrations values ('99990101000000')");
  CHECK(schema_of(db).state == app::schema_state::newer);
  CHECK(says(schema_of(db).message, "does not know its migration 99990101000000"));

  db.query("delete from schema_migrations where version = $1", {app::built_in_migrations().front().version});
  CHECK(schema_of(db).state == app::schema_state::older);
  CHECK(says(schema_of(db).message, "coffer migrate up"));

  db.query("delete from schema_migrations");
  CHECK(schema_of(db).state == app::schema_state::missing);
}

namespace {

/// The dbmate program: from DBMATE, or in PATH; empty when there is none.
std::string find_dbmate() {
  if (const char* named = std::getenv("DBMATE"); named != nullptr && *named != '\0') {
    return named;
  }
  const auto found = test::run({"sh", "-c", "command -v dbmate"});
  return found.out.substr(0, found.out.find('\n'));
}

/// Runs dbmate on the folder of embedded migrations, written out to `folder`.
test::outcome dbmate(const std::string& program, const test::database& db, const test::temporary_folder& folder,
                     const std::string& command) {
  // dbmate insists on TLS unless told otherwise.
  const std::string url = db.url() + (says(db.url(), "?") ? "&" : "?") + "sslmode=disable";
  return test::run({program, "--url", url, "--migrations-dir", folder.path().string(), "--no-dump-schema", command});
}

}  // namespace

TEST_CASE("dbmate and coffer run the same migrations and accept each other's work") {
  const std::string program = find_dbmate();
  if (program.empty()) {
#ifdef COFFER_CATCH2_V2
    WARN("SKIPPED: dbmate is not in PATH and DBMATE does not name it (npm install dbmate)");
    return;
#else
    SKIP("dbmate is not in PATH and DBMATE does not name it (npm install dbmate)");
#endif
  }
  const test::temporary_folder folder;
  for (const app::embedded_migration& file : app::embedded_migrations()) {
    folder.write(file.file_name, file.text);
  }
  test::database ours = test::database::empty();
  test::database theirs = test::database::empty();
  const auto run = run_on(ours, app::built_in_migrations());
  app::migrate_up(run);
  ours.query("drop table coffer_migrations");

  const auto up = dbmate(program, theirs, folder, "migrate");
  INFO(up.out << up.err);
  REQUIRE(up.exit_code == 0);
  theirs.query("alter table schema_migrations alter version type varchar");
  CHECK(shape(theirs) == shape(ours));
  CHECK(schema_of(theirs).state == app::schema_state::ready);
  CHECK(app::migrate_up(run_on(theirs, app::built_in_migrations())) == 0);
  CHECK(app::migrate_down(run_on(theirs, app::built_in_migrations()), std::nullopt) == run.files.size());

  // The other way round: dbmate finds nothing to do, and undoes what coffer did.
  app::migrate_up(run);
  CHECK(says(dbmate(program, ours, folder, "status").out, "Pending: 0"));
  CHECK(dbmate(program, ours, folder, "migrate").exit_code == 0);
  for (std::size_t i = 0; i < run.files.size(); ++i) {
    CHECK(dbmate(program, ours, folder, "rollback").exit_code == 0);
  }
  CHECK(schema_of(ours).state == app::schema_state::missing);
  CHECK(app::migrate_up(run) == run.files.size());
}
