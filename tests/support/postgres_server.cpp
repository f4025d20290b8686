#include "support/postgres_server.hpp"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include <fmt/format.h>
#include <fmt/ostream.h>

#include "support/database.hpp"
#include "support/eventually.hpp"

namespace coffer::test {

namespace {

using namespace std::chrono_literals;

/// Where the programs of the newest PostgreSQL are; empty: in PATH.
std::string program_folder() {
  std::error_code none;
  int newest = 0;
  std::string found;
  for (const auto& entry : std::filesystem::directory_iterator{"/usr/lib/postgresql", none}) {
    const int major = std::atoi(entry.path().filename().c_str());
    if (major > newest && std::filesystem::exists(entry.path() / "bin/initdb")) {
      newest = major;
      found = (entry.path() / "bin").string() + "/";
    }
  }
  return found;
}

}  // namespace

std::string refusal_of(const std::string& url, const process& server, std::chrono::milliseconds limit) {
  std::string why;
  const auto serves = [&] {
    try {
      sql_session{url};
      return true;
    } catch (const sql_failure& e) {
      why = e.what();
      return false;
    }
  };
  const bool answered = eventually(limit, [&] { return serves() || !server.running(); }) && serves();
  return answered ? "" : why + server.err();
}

postgres_server::postgres_server(const setting_list& settings, std::string owner)
    : owner_{std::move(owner)}, programs_{program_folder()} {
  make_directory();
  const outcome made = run(command("initdb", {"--pgdata=" + directory_ + "/data", "--username=" + owner_,
                                              "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"}),
                           {}, 60s);
  if (made.exit_code != 0) {
    throw std::runtime_error{"initdb: " + made.err};
  }
  start(settings);
}

postgres_server::postgres_server(follower of) : owner_{of.primary.owner_}, programs_{program_folder()} {
  make_directory();
  const outcome made = run(
      command("pg_basebackup", {"--pgdata=" + directory_ + "/data", "--write-recovery-conf", "--checkpoint=fast",
                                "--no-sync", "--host=" + of.primary.directory_, "--port=5432", "--username=" + owner_}),
      {}, 60s);
  if (made.exit_code != 0) {
    throw std::runtime_error{"pg_basebackup: " + made.err};
  }
  start({});
}

void postgres_server::make_directory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "postgres.XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    throw std::runtime_error{"no directory could be made from " + pattern};
  }
  directory_ = pattern;
  if (::geteuid() == 0) {
    const passwd* user = ::getpwnam("postgres");
    if (user == nullptr || ::chown(directory_.c_str(), user->pw_uid, user->pw_gid) != 0) {
      throw std::runtime_error{"root needs the user postgres to run PostgreSQL as"};
    }
  }
}

void postgres_server::start(const setting_list& settings) {
  // In the file, not in the arguments, which would win against set().
  std::ofstream file{directory_ + "/data/postgresql.conf", std::ios::app};
  fmt::print(file, "unix_socket_directories = '{}'\n", directory_);
  file << "listen_addresses = ''\nport = 5432\nfsync = off\nshared_buffers = 16MB\ntimezone = UTC\n";
  for (const auto& [name, value] : settings) {
    fmt::print(file, "{} = '{}'\n", name, value);
  }
  file.close();
  process_ = std::make_unique<process>(command("postgres", {"-D", directory_ + "/data"}), environment{});
  wait_until_ready();
}

postgres_server::~postgres_server() {
  if (process_) {
    process_->signal(SIGQUIT);
    process_->wait(10s);
    process_.reset();
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

/// PostgreSQL refuses to run as root. The program replaces the shims, so that signals reach it.
std::vector<std::string> postgres_server::command(const std::string& program,
                                                  std::vector<std::string> arguments) const {
  std::vector<std::string> words{"env", "--chdir=" + directory_};
  if (::geteuid() == 0) {
    words.insert(words.end(), {"setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"});
  }
  words.push_back(programs_ + program);
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

void postgres_server::wait_until_ready() {
  if (const std::string why = refusal_of(url(), *process_, 30s); !why.empty()) {
    throw std::runtime_error{"PostgreSQL did not start: " + why};
  }
}

std::string postgres_server::url(std::string_view database) const {
  return fmt::format("host='{}' port=5432 user='{}' dbname='{}'", directory_, owner_, database);
}

void postgres_server::set(const std::string& name, const std::string& value) const {
  sql_session session{url()};
  session.query("set default_transaction_read_only = off");
  session.query(fmt::format("alter system set {} = '{}'", name, value));
  session.query("select pg_reload_conf()");
}

void postgres_server::set_read_only(bool on) const {
  const std::string wanted = on ? "on" : "off";
  set("default_transaction_read_only", wanted);
  const auto reloaded = [&] { return sql_session{url()}.text("show default_transaction_read_only") == wanted; };
  if (!eventually(10s, reloaded)) {
    throw std::runtime_error{"the configuration was not reloaded"};
  }
}

}  // namespace coffer::test
