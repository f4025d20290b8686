// A database of its own for each test, on the server that DATABASE_URL names.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace coffer::test {

/// What the server refused, with its SQLSTATE.
class sql_failure : public std::runtime_error {
 public:
  sql_failure(std::string state, const std::string& text) : std::runtime_error{text}, sqlstate{std::move(state)} {}
  std::string sqlstate;
};

/// The rows of a statement as the server prints them.
class sql_result {
 public:
  using row = std::vector<std::optional<std::string>>;

  std::vector<row> rows;
  std::int64_t affected = 0;

  [[nodiscard]] std::size_t size() const { return rows.size(); }
  /// A value that is there and not NULL; throws std::runtime_error otherwise.
  [[nodiscard]] const std::string& text(std::size_t r = 0, std::size_t column = 0) const;
  [[nodiscard]] std::int64_t integer(std::size_t r = 0, std::size_t column = 0) const;
};

/// A blocking session over libpq alone, so that tests look at the database without the code under test. Not
/// thread-safe.
class sql_session {
 public:
  explicit sql_session(const std::string& url);

  /// One statement with parameters $1..., or (without parameters) a script. Throws sql_failure.
  sql_result query(const std::string& sql, const std::vector<std::optional<std::string>>& params = {});
  /// The first value of the first row.
  std::int64_t integer(const std::string& sql, const std::vector<std::optional<std::string>>& params = {}) {
    return query(sql, params).integer();
  }
  std::string text(const std::string& sql, const std::vector<std::optional<std::string>>& params = {}) {
    return query(sql, params).text();
  }
  [[nodiscard]] std::int64_t backend_pid() const;

 private:
  struct closer {
    void operator()(void* connection) const noexcept;
  };
  std::unique_ptr<void, closer> connection_;
};

/// The URL `url` with another database name. Works for URLs and for key=value lists.
std::string with_database(const std::string& url, std::string_view name);

/// A fresh database with a unique name, dropped (with its sessions) by the destructor. Any number of programs and
/// threads can make them at once.
class database {
 public:
  /// With the schema of the newest migration: a copy of a template that is migrated once per set of migrations.
  database();
  /// Without any table.
  static database empty();
  /// As database(), on the server that this URL names. It must outlive the database.
  static database on(const std::string& server_url) { return database{server_url}; }
  ~database();
  database(database&& other) noexcept;
  database& operator=(database&&) = delete;

  /// The URL of this database, for COFFER's DATABASE_URL.
  [[nodiscard]] const std::string& url() const noexcept { return url_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  /// A session kept open for the test's own looks; see sql_session.
  sql_session& sql();
  sql_result query(const std::string& text, const std::vector<std::optional<std::string>>& params = {}) {
    return sql().query(text, params);
  }
  std::int64_t integer(const std::string& text, const std::vector<std::optional<std::string>>& params = {}) {
    return sql().integer(text, params);
  }
  std::string text(const std::string& text, const std::vector<std::optional<std::string>>& params = {}) {
    return sql().text(text, params);
  }

  /// Ends every other session of this database, as an administrator would; gives their number.
  std::int64_t terminate_sessions();

 private:
  struct no_schema {};
  explicit database(no_schema);
  explicit database(const std::string& server_url);

  std::string server_url_;
  std::string name_;
  std::string url_;
  std::unique_ptr<sql_session> session_;
};

/// From now on every insertion into the journal takes so many seconds longer: by the trigger "slow" on transactions.
void make_journal_slow(database& db, double seconds);

/// A role of its own with the rights that deploy/postgresql/serve_role.sql gives for one database; dropped with them.
class serving_role {
 public:
  explicit serving_role(database& of);
  ~serving_role();
  serving_role(const serving_role&) = delete;
  serving_role& operator=(const serving_role&) = delete;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// The database's URL for sessions that work as this role.
  [[nodiscard]] const std::string& url() const noexcept { return url_; }

 private:
  database& of_;
  std::string name_;
  std::string url_;
};

}  // namespace coffer::test
