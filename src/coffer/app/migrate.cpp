#include "coffer/app/migrate.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "coffer/app/commands.hpp"
#include "coffer/app/one_shot.hpp"
#include "coffer/app/schema_state.hpp"
#include "coffer/app/settings_values.hpp"
#include "coffer/base/ascii.hpp"
#include "coffer/base/clock.hpp"
#include "coffer/pg/connection.hpp"
#include "coffer/pg/pooling.hpp"

namespace coffer::app {

namespace {

/// Any constant will do, as long as every version of coffer uses the same one.
constexpr std::int64_t lock_key = 0x636f666665720001;

constexpr pg::statement try_lock{"migrate_try_lock", "select pg_try_advisory_lock($1)"};
constexpr pg::statement lock_holder{"migrate_lock_holder",
                                    "select pid from pg_locks where locktype = 'advisory' and granted"
                                    " and ((classid::bigint << 32) | objid::bigint) = $1 and objsubid = 1"
                                    " and database = (select oid from pg_database where datname = current_database())"};
constexpr pg::statement select_checksums{"migrate_select_checksums", "select version, sha256 from coffer_migrations"};
constexpr pg::statement insert_version{"migrate_insert_version", "insert into schema_migrations (version) values ($1)"};
constexpr pg::statement delete_version{"migrate_delete_version", "delete from schema_migrations where version = $1"};
constexpr pg::statement upsert_checksum{"migrate_upsert_checksum",
                                        "insert into coffer_migrations (version, sha256, applied_at)"
                                        " values ($1, $2, now()) on conflict (version) do update"
                                        " set sha256 = excluded.sha256, applied_at = excluded.applied_at"};
constexpr pg::statement delete_checksum{"migrate_delete_checksum", "delete from coffer_migrations where version = $1"};
/// Whoever may only serve is not granted this table.
constexpr pg::statement find_checksums{"migrate_find_checksums",
                                       "select 1 from pg_class where oid = to_regclass('coffer_migrations')"
                                       " and has_table_privilege(oid, 'select')"};
/// Who owns the schema (null: nobody has made it), whether that is us, and whether we may make anything.
constexpr pg::statement read_rights{
    "migrate_rights",
    "select current_user::text, current_database()::text, pg_get_userbyid(c.relowner)::text,"
    " coalesce(pg_has_role(c.relowner, 'usage'), false), current_schema()::text,"
    " coalesce(has_schema_privilege(current_schema(), 'create'), false)"
    " from (select) one left join pg_class c on c.oid = to_regclass('schema_migrations')"};
constexpr pg::statement read_database{"migrate_database", "select current_database()::text"};

constexpr const char* create_bookkeeping =
    "create table if not exists schema_migrations (version varchar primary key);"
    "create table if not exists coffer_migrations"
    " (version varchar primary key, sha256 text not null, applied_at timestamptz not null)";

/// For the runner's own statements. What a migration does has no deadline.
net::deadline soon() { return net::deadline_in(std::chrono::seconds{30}); }
net::deadline whenever() { return net::deadline_in(std::chrono::hours{24 * 30}); }

/// What the database says of the migrations.
struct bookkeeping {
  std::vector<std::string> applied;
  std::map<std::string, std::string> checksums;  ///< of those applied by coffer
};

/// A session that migrates.
class migrator {
 public:
  migrator(const migrate_run& how, pg::connection& db) : how_{how}, db_{db} {}

  net::task<std::size_t> up();
  net::task<std::size_t> down(std::optional<std::size_t> steps);
  net::task<std::vector<migration_status>> status();

 private:
  net::task<> lock();
  net::task<std::string> holder();
  net::task<bookkeeping> read();
  net::task<> check_database(bool creates);
  net::task<std::int64_t> count_lost(const migration_loss* loss);
  net::task<> check_losses(std::vector<const migration*> files);
  net::task<> guard_losses(const migration* file);
  net::task<> check_checksums(const bookkeeping* known, std::vector<const migration*> files);
  net::task<> apply(const migration* file, bool up);
  net::task<> run_block(const migration* file, bool up);
  net::task<> record(const migration* file, bool up);
  net::task<> execute(std::string sql);

  [[nodiscard]] std::vector<const migration*> undo_list(const bookkeeping& known,
                                                        std::optional<std::size_t> steps) const;

  const migrate_run& how_;
  pg::connection& db_;
};

net::task<> migrator::execute(std::string sql) {
  const pg::rows done = co_await db_.execute(std::move(sql), whenever());
  static_cast<void>(done);
}

net::task<std::string> migrator::holder() {
  pg::params with;
  with.add(lock_key);
  const pg::rows found = co_await db_.query(lock_holder, std::move(with), soon());
  co_return found.empty() ? "" : fmt::format(" (server process {})", found.int32(0, 0));
}

/// Refuses a database that coffer cannot use, and a role that may not migrate it, before anything else is tried.
net::task<> migrator::check_database(bool creates) {
  if (const std::string problem = encoding_problem(db_); !problem.empty()) {
    throw command_error(problem);
  }
  const pg::rows found = co_await db_.query(read_rights, soon());
  const std::string_view who = found.text(0, 0);
  const std::string_view database = found.text(0, 1);
  const auto owner = found.optional_text(0, 2);
  if (owner && !found.boolean(0, 3)) {
    throw command_error(fmt::format(
        "the role {} may not change this schema: its tables belong to {}. Nothing was changed: migrate with a"
        " DATABASE_URL of that role, and leave {} to `coffer serve`",
        who, *owner, who));
  }
  if (creates && !found.boolean(0, 5)) {
    const auto schema = found.optional_text(0, 4);
    throw command_error(fmt::format(
        "the role {0} may not create tables in {1} (from PostgreSQL 15 on only the owner of the database may, unless"
        " it is granted). Nothing was changed: as a superuser, `alter database \"{2}\" owner to \"{0}\"` or"
        " `grant create on schema {3} to \"{0}\"` in the database {2}, then run it again",
        who, schema ? fmt::format("the schema {}", *schema) : "any schema of its search_path", database,
        schema.value_or("public")));
  }
}

/// The rows that a way down would delete or leave without their meaning.
net::task<std::int64_t> migrator::count_lost(const migration_loss* loss) {
  std::string sql = fmt::format("select count(*) from {}", loss->table);
  if (!loss->condition.empty()) {
    sql += fmt::format(" where {}", loss->condition);
  }
  const pg::rows found = co_await db_.execute(std::move(sql), whenever());
  co_return parse_integer(found.text(0, 0)).value();
}

/// Looks at all files before the first is undone. Nobody waits for it, however long the tables are.
net::task<> migrator::check_losses(std::vector<const migration*> files) {
  std::vector<std::string> lost;
  for (const migration* file : files) {
    for (const migration_loss& loss : file->losses) {
      if (const std::int64_t count = co_await count_lost(&loss); count > 0) {
        lost.push_back(fmt::format("{} {} ({})", count, loss.what, file->file_name));
      }
    }
  }
  if (lost.empty()) {
    co_return;
  }
  if (!how_.delete_data) {
    throw command_error(fmt::format(
        "undoing this would delete, or take the meaning of: {}. Nothing was undone: keep the schema, or, with"
        " a backup, go on with --delete-data; after that `coffer verify` may find the books wrong",
        fmt::join(lost, "; ")));
  }
  const pg::rows named = co_await db_.query(read_database, soon());
  const std::string database{named.text(0, 0)};
  if (!how_.confirm(database, lost)) {
    throw command_error("Nothing was undone: the name that was typed is not the database's");
  }
  for (const std::string& each : lost) {
    how_.report(fmt::format("deleting {}", each));
  }
}

/// Inside the file's transaction: lets nobody write any more what would be lost, and looks once more.
net::task<> migrator::guard_losses(const migration* file) {
  for (const migration_loss& loss : file->losses) {
    if (file->down.in_transaction) {
      co_await execute(fmt::format("lock table {} in share mode", loss.table));
    }
    if (const std::int64_t count = co_await count_lost(&loss); count > 0) {
      throw command_error(
          fmt::format("{} {} came while {} was being undone. It was rolled back as a whole: stop whoever"
                      " writes, or go on with --delete-data",
                      count, loss.what, file->file_name));
    }
  }
}

net::task<> migrator::lock() {
  co_await check_database(true);
  const net::deadline end = net::deadline_in(how_.lock_wait);
  for (bool told = false;; told = true) {
    pg::params with;
    with.add(lock_key);
    const pg::rows got = co_await db_.query(try_lock, std::move(with), soon());
    if (got.boolean(0, 0)) {
      break;
    }
    const std::string who = co_await holder();
    if (net::deadline_in({}) >= end) {
      throw command_error(
          fmt::format("another migration run{} still holds the lock after {} s. Nothing was changed:"
                      " wait for it, or end it with select pg_terminate_backend(...), and run again",
                      who, std::chrono::duration_cast<std::chrono::seconds>(how_.lock_wait).count()));
    }
    if (!told) {
      how_.report(fmt::format("waiting for another migration run to finish{}", who));
    }
    co_await net::sleep_for(std::chrono::milliseconds{100});
  }
  co_await execute(create_bookkeeping);
}

net::task<bookkeeping> migrator::read() {
  bookkeeping known;
  known.applied = co_await applied_versions(db_, soon());
  // The server's order depends on its collation.
  std::ranges::sort(known.applied);
  const pg::rows table = co_await db_.query(find_checksums, soon());
  if (!table.empty()) {
    const pg::rows sums = co_await db_.query(select_checksums, soon());
    for (int r = 0; r < sums.size(); ++r) {
      known.checksums.emplace(sums.text(r, 0), sums.text(r, 1));
    }
  }
  co_return known;
}

/// Whether the file is another one than was applied. A migration that dbmate applied has no checksum to compare.
bool was_changed(const migration& file, const bookkeeping& known) {
  const auto sum = known.checksums.find(file.version);
  return std::ranges::binary_search(known.applied, file.version) && sum != known.checksums.end() &&
         sum->second != file.sha256 && std::ranges::find(file.replaces, sum->second) == file.replaces.end();
}

net::task<> migrator::check_checksums(const bookkeeping* known, std::vector<const migration*> files) {
  for (const migration* each : files) {
    const migration& file = *each;
    if (!was_changed(file, *known)) {
      continue;
    }
    if (!how_.accept_changed) {
      throw command_error(fmt::format(
          "{} was changed after it had been applied: its SHA-256 is {} and was {}. Restore the file and put the change"
          " into a new one (`coffer migrate new NAME`), or, if the database needs no change, record the file as it is"
          " now with --accept-changed",
          file.file_name, file.sha256.substr(0, 12), known->checksums.at(file.version).substr(0, 12)));
    }
    pg::params with;
    with.add(file.version).add(file.sha256);
    const pg::rows done = co_await db_.query(upsert_checksum, std::move(with), soon());
    how_.report(fmt::format("recorded {} as it is now", file.file_name));
  }
}

net::task<> migrator::record(const migration* file, bool up) {
  pg::pipeline both;
  pg::params version;
  version.add(file->version);
  both.add(up ? insert_version : delete_version, std::move(version));
  pg::params checksum;
  checksum.add(file->version);
  if (up) {
    checksum.add(file->sha256);
  }
  both.add(up ? upsert_checksum : delete_checksum, std::move(checksum));
  const std::vector<pg::rows> done = co_await db_.run(std::move(both), soon());
}

net::task<> migrator::run_block(const migration* file, bool up) {
  const migration_block& block = up ? file->up : file->down;
  if (block.in_transaction) {
    co_await execute("begin");
  }
  if (!up && !how_.delete_data) {
    co_await guard_losses(file);
  }
  if (!block.sql.empty()) {
    co_await execute(block.sql);
  }
  co_await record(file, up);
  if (block.in_transaction) {
    const pg::rows done = co_await db_.execute("commit", whenever());
    if (done.command_tag() != "COMMIT") {
      throw command_error(fmt::format("{} was not committed", file->file_name));
    }
  }
}

/// What the operator must know after a failed file.
std::string_view what_is_left(const pg::error& failure, bool in_transaction) {
  if (failure.delivered() == pg::delivery::unknown) {
    return "The connection was lost, so the outcome is unknown: look with `coffer migrate status`, then run it again";
  }
  if (!in_transaction) {
    return "It runs without a transaction: what it did before this statement is still there";
  }
  if (failure.state() == pg::sqlstate::lock_not_available) {
    return "It was rolled back as a whole. The service was using the table: run it again, or with a longer"
           " --lock-timeout";
  }
  return "It was rolled back as a whole";
}

net::task<> migrator::apply(const migration* file, bool up) {
  const auto begin = std::chrono::steady_clock::now();
  const migration_block& block = up ? file->up : file->down;
  std::optional<pg::error> failure;
  try {
    co_await run_block(file, up);
  } catch (const pg::error& e) {
    failure.emplace(e);
  }
  if (failure) {
    throw command_error(fmt::format("{} failed: {}. {}", file->file_name, failure->what(),
                                    what_is_left(*failure, block.in_transaction)));
  }
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
  how_.report(fmt::format("{} {} ({} ms)", up ? "applied" : "undid", file->file_name, took.count()));
}

net::task<std::size_t> migrator::up() {
  co_await lock();
  const bookkeeping known = co_await read();
  std::vector<const migration*> all;
  all.reserve(how_.files.size());
  for (const migration& file : how_.files) {
    all.push_back(&file);
  }
  co_await check_checksums(&known, std::move(all));
  std::size_t count = 0;
  for (const migration& file : how_.files) {
    if (!std::ranges::binary_search(known.applied, file.version)) {
      co_await apply(&file, true);
      ++count;
    }
  }
  co_return count;
}

std::vector<const migration*> migrator::undo_list(const bookkeeping& known, std::optional<std::size_t> steps) const {
  std::vector<const migration*> list;
  for (std::size_t i = known.applied.size(); i-- > 0 && (!steps || list.size() < *steps);) {
    const std::string& version = known.applied[i];
    const auto file = std::ranges::find(how_.files, version, &migration::version);
    if (file == how_.files.end()) {
      throw command_error(
          fmt::format("the applied migration {} is not among the files here. Nothing was undone: use"
                      " the coffer (or the --dir) that applied it",
                      version));
    }
    if (!file->has_down) {
      throw command_error(
          fmt::format("{} has no '-- migrate:down' block. Nothing was undone: write one, or restore a"
                      " backup",
                      file->file_name));
    }
    list.push_back(&*file);
  }
  return list;
}

net::task<std::size_t> migrator::down(std::optional<std::size_t> steps) {
  co_await lock();
  const bookkeeping known = co_await read();
  const std::vector<const migration*> list = undo_list(known, steps);
  co_await check_checksums(&known, list);
  co_await check_losses(list);
  for (const migration* file : list) {
    co_await apply(file, false);
  }
  co_return list.size();
}

net::task<std::vector<migration_status>> migrator::status() {
  const bookkeeping known = co_await read();
  std::map<std::string, migration_status> all;
  for (const std::string& version : known.applied) {
    all[version].applied = true;
  }
  for (const migration& file : how_.files) {
    all[file.version].file_name = file.file_name;
    all[file.version].changed = was_changed(file, known);
  }
  std::vector<migration_status> list;
  for (auto& [version, one] : all) {
    one.version = version;
    list.push_back(std::move(one));
  }
  co_return list;
}

pg::options session_of(const migrate_run& how) {
  pg::options session = command_session(how.database_url, "migrate");
  session.prepared = true;
  session.statement_timeout = {};
  session.idle_in_transaction_timeout = {};
  session.lock_timeout = how.lock_timeout;
  return session;
}

net::task<pg::pooling> find_pooler(pg::options session) {
  const net::executor ex = co_await asio::this_coro::executor;
  const net::deadline until = net::deadline_in(session.connect_timeout);
  co_return co_await pg::find_pooling(ex, std::move(session), until);
}

/// Work of a migrator. What the database refuses is for the operator as it is.
template <typename T, typename Work>
net::task<T> migrate_on(pg::connection& db, const migrate_run* how, Work work) {
  migrator session{*how, db};
  try {
    co_return co_await work(session);
  } catch (const pg::error& e) {
    if (e.kind() != pg::failure::statement) {
      throw;
    }
    throw command_error(e.what());
  }
}

/// Runs `work(migrator)`, a task of T, in a session of its own.
template <typename T, typename Work>
T migrate(const migrate_run& how, Work work) {
  if (told_to_operator([&] { return run_blocking(find_pooler(session_of(how))); }) == pg::pooling::transaction) {
    throw command_error(
        "the database is behind a pooler in transaction mode, and migrations need a session of their own. Nothing was"
        " changed: name PostgreSQL itself, or a pool in session mode, in --database-url or DATABASE_URL");
  }
  return on_database(session_of(how), schema_demand::none,
                     [&how, work](pg::connection& db) { return migrate_on<T>(db, &how, work); });
}

int print_status(const migrate_run& how, bool fail_when_pending) {
  std::size_t pending = 0;
  for (const migration_status& each : migrate_status(how)) {
    const std::string name = each.file_name.empty() ? each.version + " (no such file here)" : each.file_name;
    fmt::print("[{}] {}{}\n", each.applied ? 'X' : ' ', name, each.changed ? " (changed since it was applied)" : "");
    pending += each.applied ? 0 : 1;
  }
  fmt::print("\n{} pending\n", pending);
  return pending > 0 && fail_when_pending ? exit_failed : exit_ok;
}

/// Asks whoever sits at the terminal; a script has said it with --delete-data.
bool confirm_losses(const std::string& database, const std::vector<std::string>& losses) {
  if (::isatty(STDIN_FILENO) != 1) {
    return true;
  }
  fmt::print(stderr, "This deletes, or takes the meaning of:\n");
  for (const std::string& each : losses) {
    fmt::print(stderr, "  {}\n", each);
  }
  fmt::print(stderr, "Type the database's name ({}) to go on: ", database);
  std::string typed;
  std::getline(std::cin, typed);
  return typed == database;
}

}  // namespace

std::size_t migrate_up(const migrate_run& how) {
  return migrate<std::size_t>(how, [](migrator& session) { return session.up(); });
}

std::size_t migrate_down(const migrate_run& how, std::optional<std::size_t> steps) {
  return migrate<std::size_t>(how, [steps](migrator& session) { return session.down(steps); });
}

std::vector<migration_status> migrate_status(const migrate_run& how) {
  return migrate<std::vector<migration_status>>(how, [](migrator& session) { return session.status(); });
}

std::string new_migration(const std::string& folder, std::string_view name) {
  const auto allowed = [](char c) { return ascii::is_alphanumeric(c) || c == '_' || c == '-'; };
  if (name.empty() || name.size() > 100 || !std::ranges::all_of(name, allowed)) {
    throw command_error(
        fmt::format("'{}' cannot be part of a file name: use 1 to 100 letters, digits, '_' and '-'", name));
  }
  if (!std::filesystem::is_directory(folder)) {
    throw command_error(fmt::format("there is no folder {}: make it, or name another with --dir", folder));
  }
  const std::string stamp = fmt::format("{:%Y%m%d%H%M%S}", std::chrono::floor<std::chrono::seconds>(now()));
  const auto path = std::filesystem::path{folder} / fmt::format("{}_{}.sql", stamp, name);
  // noreplace is C++23 that g++ 12 does not have.
  if (std::filesystem::exists(path)) {
    throw command_error(fmt::format("{} exists already", path.string()));
  }
  std::ofstream file{path};
  file << "-- migrate:up\n\n\n-- migrate:down\n\n";
  file.close();
  if (!file) {
    throw command_error(fmt::format("{} cannot be written", path.string()));
  }
  return path.string();
}

int run(const migrate_command& asked) {
  if (asked.what == migrate_command::action::create) {
    fmt::print("{}\n", new_migration(asked.folder, asked.name));
    return exit_ok;
  }
  migrate_run how;
  how.database_url = asked.database_url;
  how.lock_timeout = asked.lock_timeout;
  how.accept_changed = asked.accept_changed;
  how.delete_data = asked.delete_data;
  how.confirm = confirm_losses;
  how.report = [](std::string_view line) {
    fmt::print("{}\n", line);
    std::fflush(stdout);
  };
  if (asked.folder.empty()) {
    how.files = built_in_migrations();
  } else if (auto files = read_migrations(asked.folder)) {
    how.files = std::move(*files);
  } else {
    throw command_error(files.error());
  }
  if (asked.what == migrate_command::action::status) {
    return print_status(how, asked.exit_code);
  }
  const bool up = asked.what == migrate_command::action::up;
  const std::size_t count = up ? migrate_up(how) : migrate_down(how, asked.steps);
  if (count == 0) {
    fmt::print("nothing to do: {}\n", up ? "the schema is up to date" : "no migration is applied");
  }
  return exit_ok;
}

}  // namespace coffer::app
