// Owns libpq's connection object and what its notices say. Only for the sources of this folder.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <libpq-fe.h>

#include "coffer/pg/error.hpp"
#include "coffer/pg/sqlstate.hpp"

namespace coffer::pg {

/// A server's message about an error, copied out of its result.
struct server_message {
  sqlstate state = sqlstate::none;
  bool fatal = false;  ///< the server ends the session with it
  std::string text;
  std::string constraint;
};

/// What a session was told without having asked.
struct heard_notices {
  server_message farewell;    ///< with which the server ended the session
  bool unreplicated = false;  ///< a commit did not wait for its synchronous standbys to the end
};

/// What `result`, an error or a notice, says.
server_message message_of(const PGresult* result);

/// The first line of libpq's own message: the rest is advice.
std::string first_line(const char* text);

/// For what a statement gave back.
struct result_deleter {
  void operator()(PGresult* result) const noexcept { PQclear(result); }
};
using owned_result = std::unique_ptr<PGresult, result_deleter>;

/// For the options of a connection string, a list that ends with a null keyword.
struct conninfo_deleter {
  void operator()(PQconninfoOption* all) const noexcept { PQconninfoFree(all); }
};

/// A PGconn. Its socket must not be watched any more when this dies.
class handle {
 public:
  handle() = default;
  /// Takes over `raw` and logs its notices.
  explicit handle(PGconn* raw);

  [[nodiscard]] PGconn* get() const noexcept { return pg_.get(); }
  explicit operator bool() const noexcept { return pg_ != nullptr; }
  void reset() noexcept { pg_.reset(); }

  /// The message with which the server ended this session while nothing was being asked, else state `none`.
  [[nodiscard]] const server_message& farewell() const noexcept { return heard_->farewell; }

  /// Whether since the last call a commit went on without its synchronous standbys, because its wait was cancelled: it
  /// has happened on this server, and may be lost with it.
  bool take_unreplicated() noexcept { return std::exchange(heard_->unreplicated, false); }

 private:
  struct finisher {
    void operator()(PGconn* raw) const noexcept { PQfinish(raw); }
  };

  std::unique_ptr<heard_notices> heard_;  ///< the notice receiver writes to it: its address must not change
  std::unique_ptr<PGconn, finisher> pg_;
};

}  // namespace coffer::pg
