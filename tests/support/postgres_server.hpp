// A PostgreSQL of a test's own, to be made read-only while sessions are open.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace coffer::test {

/// A cluster on a unix socket in a directory of its own, made from the programs of the newest PostgreSQL installed.
/// Stopped, and its directory removed, by the destructor. Takes a few seconds to make.
class postgres_server {
 public:
  /// `owner` is its superuser, who needs no password.
  explicit postgres_server(const std::string& owner);
  ~postgres_server();
  postgres_server(const postgres_server&) = delete;
  postgres_server& operator=(const postgres_server&) = delete;

  /// Where its socket lies: libpq's "host". The port is 5432.
  [[nodiscard]] const std::string& directory() const noexcept { return directory_; }
  [[nodiscard]] std::string url(std::string_view database) const;

  /// Makes transactions read-only, or writable again, as a reload of the configuration does, for open sessions too.
  void set_read_only(bool on);

 private:
  void run(const std::string& program, const std::vector<std::string>& arguments) const;

  std::string directory_;
  std::string owner_;
};

}  // namespace coffer::test
