// How to connect to PostgreSQL and how its sessions are set up.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace coffer::pg {

/// Everything connection::open needs. Name the object and move it; see the limits of each member.
struct options {
  explicit options(std::string connection_url) : url{std::move(connection_url)} {}
  options() = default;

  /// postgresql://user:password@host1:port1,host2:port2/database?target_session_attrs=read-write, or key=value pairs.
  std::string url;
  /// Shown in pg_stat_activity, unless the URL names another.
  std::string application_name = "coffer";
  /// For the whole attempt, all hosts together. One host that does not answer gets its equal share of it.
  std::chrono::milliseconds connect_timeout{2000};
  /// The server ends statements that run or wait for a lock longer. Below every client deadline that matters, so that
  /// the connection survives. 0 switches a limit off.
  std::chrono::milliseconds statement_timeout{2000};
  std::chrono::milliseconds lock_timeout{1000};
  /// The server ends a session that leaves a transaction open: the locks of a stalled client are freed.
  std::chrono::milliseconds idle_in_transaction_timeout{3000};
  /// False for poolers in transaction mode: nothing is prepared, and the settings are set in each transaction instead
  /// of once per session.
  bool prepared = true;
  /// Further settings of the session, name and value.
  std::vector<std::pair<std::string, std::string>> settings{{"jit", "off"}};
};

}  // namespace coffer::pg
