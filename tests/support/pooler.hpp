// A PgBouncer of a test's own in front of the PostgreSQL that DATABASE_URL names.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "support/process.hpp"

namespace coffer::test {

/// Listens on a unix socket in a directory of its own. Killed, and the directory removed, by the destructor.
class pooler {
 public:
  /// `mode` is PgBouncer's pool_mode, "session" or "transaction"; `more` are further lines of its configuration.
  /// Returns when it answers; throws std::runtime_error when it does not, or is not installed.
  explicit pooler(const std::string& mode, const std::string& more = {});
  ~pooler();
  pooler(const pooler&) = delete;
  pooler& operator=(const pooler&) = delete;

  /// For a database of the server behind it, as key=value pairs.
  [[nodiscard]] std::string url(std::string_view database) const;
  /// The path of the socket.
  [[nodiscard]] std::string socket() const { return directory_ + "/.s.PGSQL.6432"; }

 private:
  std::string directory_;
  std::string user_;
  std::unique_ptr<process> process_;
};

}  // namespace coffer::test
