// One connection to PostgreSQL as coroutines: pipelines of prepared statements over libpq. Knows no pool.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "coffer/net/task.hpp"
#include "coffer/pg/error.hpp"
#include "coffer/pg/options.hpp"
#include "coffer/pg/params.hpp"
#include "coffer/pg/pipeline.hpp"
#include "coffer/pg/rows.hpp"
#include "coffer/pg/statement.hpp"

namespace coffer::pg {

/// Where the session stands with respect to a transaction.
enum class transaction_state : std::uint8_t {
  idle,                   ///< no transaction is open
  active,                 ///< a command is being executed
  in_transaction,         ///< inside BEGIN, all well
  in_failed_transaction,  ///< inside BEGIN after an error: only ROLLBACK helps
  unknown,                ///< the connection is lost
};

/// A session. All calls on one executor's thread, one operation at a time. An operation must be awaited to its end;
/// it ends by its deadline at the latest, and then the connection is dropped, because an answer may still come.
class connection {
 public:
  /// Connects, all hosts of the URL included; the deadline is the earlier of `until` and the connect timeout. Throws
  /// error{failure::connect} with the server's SQLSTATE, or failure::timed_out.
  static net::task<std::unique_ptr<connection>> open(net::executor ex, options how, net::deadline until);

  ~connection();
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  /// Sends all statements and one Sync, and gives one result per statement. A statement not used before on this
  /// connection is prepared on the way, and the session's settings travel in front of the first pipeline (without
  /// prepared statements: in each transaction); neither costs a round trip. When one fails, everything up to the Sync
  /// is consumed and error is thrown; the connection stays usable, but state() may be in_failed_transaction: the caller
  /// sends ROLLBACK. A commit whose wait for its synchronous standbys was cancelled throws statement_completion_unknown
  /// with delivery::unknown.
  net::task<std::vector<rows>> run(pipeline statements, net::deadline until);

  /// A pipeline of one.
  net::task<rows> query(const statement& what, params with, net::deadline until);
  net::task<rows> query(const statement& what, net::deadline until) { return query(what, params{}, until); }

  /// Runs a script over the simple protocol: several statements separated by semicolons, no parameters, results as
  /// text. Without BEGIN in it, it is one transaction. Gives the last statement's result. For migrations and session
  /// control, not for the hot path. `statement_index` of an error counts the script's results.
  net::task<rows> execute(std::string sql, net::deadline until);

  /// As of the last completed operation.
  [[nodiscard]] transaction_state state() const noexcept;
  /// Whether operations may be tried: not closed, not dropped. A server that went away shows at the next use, or when
  /// check_alive() is called.
  [[nodiscard]] bool usable() const noexcept;
  /// Looks, without waiting, whether the server has ended this idle connection; usable() is false afterwards if so.
  bool check_alive();
  /// Whether the server is no longer what the URL's target_session_attrs asked for (read-write, primary): it has become
  /// read-only. As of its last answer, and so before that answer is used.
  [[nodiscard]] bool displaced() const noexcept;
  /// E.g. 150020.
  [[nodiscard]] std::int64_t server_version() const noexcept;
  /// The encoding of the database as PostgreSQL spells it, e.g. "UTF8"; "unknown" when nobody has said.
  [[nodiscard]] std::string_view server_encoding() const noexcept;
  [[nodiscard]] std::int32_t backend_pid() const noexcept;
  /// The host (or socket directory) and port in use, for logs.
  [[nodiscard]] std::string peer() const;
  /// When the session was established.
  [[nodiscard]] std::chrono::steady_clock::time_point opened_at() const noexcept;

  /// Ends the session now. Not while an operation is running.
  void close();

 private:
  struct impl;
  explicit connection(std::unique_ptr<impl> i);

  std::unique_ptr<impl> impl_;
};

}  // namespace coffer::pg
