// Owns libpq's connection object and what its notices say. Only for the sources of this folder.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <libpq-fe.h>

#include "coffer/base/log.hpp"
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

/// The first line of libpq's own message: the rest is advice.
inline std::string first_line(const char* text) {
  const std::string_view all = text == nullptr ? std::string_view{} : std::string_view{text};
  return std::string{all.substr(0, all.find('\n'))};
}

namespace detail {

inline std::string_view field(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text == nullptr ? std::string_view{} : std::string_view{text};
}

}  // namespace detail

/// What `result`, an error or a notice, says.
inline server_message message_of(const PGresult* result) {
  server_message message;
  // The untranslated severity exists since PostgreSQL 9.6.
  const std::string_view severity = detail::field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  message.state = sqlstate_from(detail::field(result, PG_DIAG_SQLSTATE));
  message.fatal = severity == "FATAL" || severity == "PANIC";
  message.text = detail::field(result, PG_DIAG_MESSAGE_PRIMARY);
  message.constraint = detail::field(result, PG_DIAG_CONSTRAINT_NAME);
  if (message.text.empty()) {
    message.text = first_line(PQresultErrorMessage(result));
  }
  return message;
}

namespace detail {

extern "C" inline void coffer_pg_on_notice(void* heard_by, const PGresult* result) {
  auto& heard = *static_cast<heard_notices*>(heard_by);
  server_message message = message_of(result);
  if (log::enabled(log::level::debug)) {
    log::debug("pg_notice", {{"sqlstate", to_string(message.state)}, {"message", message.text}});
  }
  // An error that arrives while no command runs is not a result but a notice: how an idle session learns of its end.
  if (message.fatal) {
    heard.farewell = std::move(message);
  }
  // "canceling wait for synchronous replication ...", SQLSTATE 01000 like any warning, in the server's language. Where
  // in the server it comes from is what tells it (PostgreSQL's syncrep.c).
  if (field(result, PG_DIAG_SOURCE_FUNCTION) == "SyncRepWaitForLSN") {
    heard.unreplicated = true;
  }
}

}  // namespace detail

inline handle::handle(PGconn* raw) : heard_{std::make_unique<heard_notices>()}, pg_{raw} {
  PQsetNoticeReceiver(raw, detail::coffer_pg_on_notice, heard_.get());
}

}  // namespace coffer::pg
