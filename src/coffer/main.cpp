// The program: runs what the command line asks for. Must not know how.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "coffer/app/cache_command.hpp"
#include "coffer/app/command_line.hpp"
#include "coffer/app/doctor.hpp"
#include "coffer/app/healthcheck.hpp"
#include "coffer/app/migrate.hpp"
#include "coffer/app/seed.hpp"
#include "coffer/app/serve.hpp"
#include "coffer/app/verify.hpp"
#include "coffer/app/version.hpp"

namespace {

using namespace coffer::app;

int run(const serve_command& command) { return serve(command.how); }

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

int run(const migrate_command& command) {
  if (command.what == migrate_command::action::create) {
    fmt::print("{}\n", new_migration(command.folder, command.name));
    return exit_ok;
  }
  migrate_run how;
  how.database_url = command.database_url;
  how.lock_timeout = command.lock_timeout;
  how.accept_changed = command.accept_changed;
  how.delete_data = command.delete_data;
  how.confirm = confirm_losses;
  how.report = [](std::string_view line) {
    fmt::print("{}\n", line);
    std::fflush(stdout);
  };
  if (command.folder.empty()) {
    how.files = built_in_migrations();
  } else if (auto files = read_migrations(command.folder)) {
    how.files = std::move(*files);
  } else {
    throw migrate_error(files.error());
  }
  if (command.what == migrate_command::action::status) {
    return print_status(how, command.exit_code);
  }
  const bool up = command.what == migrate_command::action::up;
  const std::size_t count = up ? migrate_up(how) : migrate_down(how, command.steps);
  if (count == 0) {
    fmt::print("nothing to do: {}\n", up ? "the schema is up to date" : "no migration is applied");
  }
  return exit_ok;
}

int run(const seed_command& command) {
  const seeded all = seed_database(command.database_url);
  fmt::print("{}", command.json ? all.to_json() : all.to_text());
  return exit_ok;
}

int run(const healthcheck_command& command) {
  const health found = check_health(command.url);
  fmt::print(found.ok ? stdout : stderr, "{}: {}\n", command.url, found.detail);
  return found.ok ? exit_ok : exit_failed;
}

int run(const verify_command& command) {
  verify_run how{.database_url = command.database_url, .users = {}, .show_progress = ::isatty(STDERR_FILENO) == 1};
  if (command.user) {
    how.users = {*command.user, *command.user};
  }
  try {
    const verified done = verify_books(how);
    if (!command.metrics_file.empty()) {
      replace_file(command.metrics_file, done.to_metrics(coffer::now()));
    }
    fmt::print("{}", command.json ? done.to_json() : done.to_text());
    return done.report.violations() == 0 ? exit_ok : exit_failed;
  } catch (const std::exception& e) {
    fmt::print(stderr, "coffer: the books could not be read: {}\n", e.what());
    return exit_unchecked;
  }
}

int run(const doctor_command& command) {
  const diagnosis found = examine(command.how, command.source);
  fmt::print("{}", command.json ? found.to_json() : found.to_text());
  return found.can_serve() ? exit_ok : exit_failed;
}

int run(const key_command& command) {
  switch (command.what) {
    case key_command::action::create: {
      const coffer::service::made_key made = create_key(command.database_url, command.wanted);
      fmt::print(stderr, "coffer: key {} for {}: it is shown this once\n", made.row.id, made.row.name);
      fmt::print("{}\n", made.text);
      return exit_ok;
    }
    case key_command::action::list: {
      const auto all = list_keys(command.database_url);
      fmt::print("{}", command.json ? keys_to_json(all) : keys_to_text(all));
      return exit_ok;
    }
    case key_command::action::revoke:
      break;
  }
  const coffer::store::key_row revoked = revoke_key(command.database_url, command.id);
  fmt::print("key {} ({}) is revoked\n", revoked.id, revoked.name);
  return exit_ok;
}

int run(const cache_clear_command& command) {
  fmt::print("cleared: {} cached inventories under {}, and the popular products\n", clear_cache(command.how),
             command.how.redis_prefix);
  return exit_ok;
}

int run(const version_command&) {
  fmt::print("coffer {}\n", version_text);
  return exit_ok;
}

int run(const print_and_exit& page) {
  std::fputs(page.out.c_str(), stdout);
  std::fputs(page.err.c_str(), stderr);
  return page.exit_code;
}

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): before any thread starts
  return value == nullptr ? std::nullopt : std::optional<std::string>{value};
}

/// Before any thread starts, so that nobody reads what is changed.
process_environment environment_of_process() {
  return {.value = variable,
          .names =
              [] {
                std::vector<std::string> names;
                for (char** each = ::environ; *each != nullptr; ++each) {
                  const std::string_view text = *each;
                  names.emplace_back(text.substr(0, text.find('=')));
                }
                return names;
              },
          .set =
              [](const std::string& name, const std::string& value) {
                ::setenv(name.c_str(), value.c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
              }};
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const command wanted = parse_command_line({argv + 1, argv + argc}, environment_of_process());
    return std::visit([](const auto& each) { return run(each); }, wanted);
  } catch (const std::exception& e) {
    fmt::print(stderr, "coffer: {}\n", e.what());
    return exit_failed;
  }
}
