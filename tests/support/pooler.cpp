#include "support/pooler.hpp"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>
#include <fmt/ostream.h>

#include "support/database.hpp"
#include "support/pg_environment.hpp"
#include "support/postgres_server.hpp"

namespace coffer::test {

using namespace std::chrono_literals;

pooler::pooler(const std::string& mode, const std::string& more) {
  // Debian puts it where only root's PATH looks.
  const std::string program = std::filesystem::exists("/usr/sbin/pgbouncer") ? "/usr/sbin/pgbouncer" : "pgbouncer";
  std::string pattern = (std::filesystem::temp_directory_path() / "pooler.XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    throw std::runtime_error{"no directory could be made from " + pattern};
  }
  directory_ = pattern;
  const server_address server = database_address();
  user_ = sql_session{database_url()}.text("select current_user");
  const std::string host = server.is_unix() ? std::filesystem::path{server.host}.parent_path().string() : server.host;
  const std::string port =
      server.is_unix() ? server.host.substr(server.host.rfind('.') + 1) : std::to_string(server.port);
  std::ofstream{directory_ + "/users"} << fmt::format("\"{}\" \"\"\n", user_);
  std::ofstream{directory_ + "/pgbouncer.ini"}
      << fmt::format("[databases]\n* = host={} port={}\n[pgbouncer]\n", host, port)
      << fmt::format("listen_addr =\nlisten_port = 6432\nunix_socket_dir = {}\nauth_type = trust\n", directory_)
      << fmt::format("auth_file = {}/users\npool_mode = {}\nmax_client_conn = 200\n{}\n", directory_, mode, more);
  std::vector<std::string> command{program, directory_ + "/pgbouncer.ini"};
  if (::geteuid() == 0) {
    const passwd* owner = ::getpwnam("postgres");
    if (owner == nullptr || ::chown(directory_.c_str(), owner->pw_uid, owner->pw_gid) != 0) {
      throw std::runtime_error{"root needs the user postgres to run PgBouncer as"};
    }
    command.insert(command.begin(), {"setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"});
  }
  std::filesystem::permissions(directory_, std::filesystem::perms{0755});
  process_ = std::make_unique<process>(std::move(command), environment{});
  if (const std::string why = refusal_of(url("postgres"), *process_, 20s); !why.empty()) {
    throw std::runtime_error{"PgBouncer did not start (script/setup --pooler installs it): " + why};
  }
}

pooler::~pooler() {
  if (process_) {
    process_->signal(SIGKILL);
    process_->wait(10s);
    process_.reset();
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::string pooler::url(std::string_view database) const {
  return fmt::format("host='{}' port=6432 user='{}' dbname='{}'", directory_, user_, database);
}

}  // namespace coffer::test
