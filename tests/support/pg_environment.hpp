// The PostgreSQL that integration tests run against, and a synchronous face of connection for them.
#pragma once

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "coffer/pg/connection.hpp"

namespace coffer::test {

/// DATABASE_URL; throws with a sentence that says what to set when it is missing.
std::string database_url();

/// `url` with further libpq keywords, which override those in it: {{"host", "127.0.0.1"}, {"port", "1"}}.
std::string url_with(const std::string& url, const std::vector<std::pair<std::string, std::string>>& keywords);

/// Options for DATABASE_URL with the project's defaults.
pg::options database_options();

/// Where the server of DATABASE_URL listens: a host and port, or the path of a unix socket (port 0).
struct server_address {
  std::string host;
  std::uint16_t port = 0;
  [[nodiscard]] bool is_unix() const { return host.starts_with('/'); }
};
server_address database_address();

/// A connection with an io_context of its own whose calls run to their end.
class pg_session {
 public:
  explicit pg_session(pg::options how = database_options());
  ~pg_session();

  std::vector<pg::rows> run(pg::pipeline statements, std::chrono::milliseconds limit = std::chrono::seconds{10});
  pg::rows query(const pg::statement& what, pg::params with = {},
                 std::chrono::milliseconds limit = std::chrono::seconds{10});
  pg::rows execute(std::string sql, std::chrono::milliseconds limit = std::chrono::seconds{10});
  /// A query without parameters that gives one text value.
  std::string ask(const std::string& sql);

  pg::connection& operator*() const { return *connection_; }
  pg::connection* operator->() const { return connection_.get(); }
  asio::io_context& context() { return *context_; }

 private:
  std::unique_ptr<asio::io_context> context_;
  std::unique_ptr<pg::connection> connection_;
};

/// The pg::error that `action` throws; fails the test when it throws none.
template <typename Action>
pg::error error_of(Action&& action) {
  try {
    std::forward<Action>(action)();
  } catch (const pg::error& e) {
    return e;
  }
  throw std::runtime_error{"a pg::error was expected, nothing was thrown"};
}

/// Ends the backend `pid` and waits until it is gone.
void kill_backend(std::int32_t pid);

}  // namespace coffer::test
