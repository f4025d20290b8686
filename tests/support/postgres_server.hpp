// A PostgreSQL cluster of a test's own, for settings that a whole server has.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/process.hpp"

namespace coffer::test {

/// A server of the newest installed PostgreSQL that listens on a unix socket in a directory of its own. Killed, and its
/// directory removed, by the destructor.
class postgres_server {
 public:
  using setting_list = std::vector<std::pair<std::string, std::string>>;

  /// Makes the cluster, starts it with these settings, {{"synchronous_commit", "local"}}, and waits until it answers.
  /// `owner` is its superuser, who needs no password. Throws std::runtime_error when that fails.
  explicit postgres_server(const setting_list& settings = {}, std::string owner = "coffer");
  /// A standby that follows `primary`, which must outlive it.
  static postgres_server standby_of(const postgres_server& primary) { return postgres_server{follower{primary}}; }
  ~postgres_server();
  postgres_server(const postgres_server&) = delete;
  postgres_server& operator=(const postgres_server&) = delete;

  /// Where its socket lies: libpq's "host". The port is 5432.
  [[nodiscard]] const std::string& directory() const noexcept { return directory_; }
  /// For its superuser, as key=value pairs. Databases are made with database::on().
  [[nodiscard]] std::string url(std::string_view database = "postgres") const;

  /// Changes a setting of the whole server that needs no restart: alter system, and a reload.
  void set(const std::string& name, const std::string& value) const;

  /// Makes transactions read-only, or writable again, for open sessions too; waits until that is so for new ones.
  void set_read_only(bool on) const;

 private:
  struct follower {
    const postgres_server& primary;
  };
  explicit postgres_server(follower of);
  void make_directory();
  void start(const setting_list& settings);
  [[nodiscard]] std::vector<std::string> command(const std::string& program, std::vector<std::string> arguments) const;
  void wait_until_ready();

  std::string owner_;
  std::string programs_;
  std::string directory_;
  std::unique_ptr<process> process_;
};

/// Waits until that server, which has just been started, takes a session at `url`: empty, or why it does not within
/// `limit` (or has ended).
std::string refusal_of(const std::string& url, const process& server, std::chrono::milliseconds limit);

}  // namespace coffer::test
