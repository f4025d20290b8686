#include "support/postgres_server.hpp"

#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include <fmt/format.h>

#include "support/database.hpp"
#include "support/process.hpp"

namespace coffer::test {

namespace {

namespace files = std::filesystem;

/// The directory of the programs: Debian's of the highest version, else where PATH finds them (empty).
std::string programs() {
  int best = 0;
  std::error_code none;
  for (const auto& version : files::directory_iterator{"/usr/lib/postgresql", none}) {
    if (files::exists(version.path() / "bin" / "initdb")) {
      best = std::max(best, std::atoi(version.path().filename().c_str()));
    }
  }
  return best == 0 ? "" : fmt::format("/usr/lib/postgresql/{}/bin/", best);
}

}  // namespace

postgres_server::postgres_server(const std::string& owner) : owner_{owner} {
  std::string pattern = (files::temp_directory_path() / "pg.XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    throw std::runtime_error{"no directory could be made from " + pattern};
  }
  directory_ = pattern;
  if (::geteuid() == 0) {
    const passwd* user = ::getpwnam("postgres");
    if (user == nullptr || ::chown(directory_.c_str(), user->pw_uid, user->pw_gid) != 0) {
      throw std::runtime_error{"PostgreSQL does not run as root, and there is no user postgres"};
    }
  }
  run("initdb",
      {"-D", directory_ + "/data", "-U", owner, "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"});
  std::ofstream settings{directory_ + "/data/postgresql.conf", std::ios::app};
  settings << "listen_addresses = ''\nport = 5432\nfsync = off\nshared_buffers = 32MB\nmax_connections = 60\n"
           << fmt::format("unix_socket_directories = '{}'\n", directory_);
  settings.close();
  run("pg_ctl", {"-D", directory_ + "/data", "-l", directory_ + "/log", "-w", "-s", "start"});
}

postgres_server::~postgres_server() {
  try {
    run("pg_ctl", {"-D", directory_ + "/data", "-m", "immediate", "-w", "-s", "stop"});
  } catch (const std::runtime_error&) {
    // script/test ends what is left.
  }
  std::error_code ignored;
  files::remove_all(directory_, ignored);
}

std::string postgres_server::url(std::string_view database) const {
  return fmt::format("host='{}' port=5432 user='{}' dbname='{}'", directory_, owner_, database);
}

void postgres_server::run(const std::string& program, const std::vector<std::string>& arguments) const {
  std::vector<std::string> command;
  if (::geteuid() == 0) {
    command = {"runuser", "-u", "postgres", "--"};
  }
  command.push_back(programs() + program);
  command.insert(command.end(), arguments.begin(), arguments.end());
  const outcome done = test::run(std::move(command), {}, std::chrono::seconds{60});
  if (done.exit_code != 0) {
    throw std::runtime_error{program + ": " + done.out + done.err};
  }
}

void postgres_server::set_read_only(bool on) {
  const std::string wanted = on ? "on" : "off";
  sql_session admin{url("postgres")};
  admin.query("set default_transaction_read_only = off");
  admin.query("alter system set default_transaction_read_only = " + wanted);
  admin.query("select pg_reload_conf()");
  for (int i = 0; i < 1000; ++i) {
    if (sql_session{url("postgres")}.text("show default_transaction_read_only") == wanted) {
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
  throw std::runtime_error{"the configuration was not reloaded"};
}

}  // namespace coffer::test
