#include "coffer/pg/handle.hpp"

#include <string_view>

#include "coffer/base/log.hpp"

namespace coffer::pg {

namespace {

std::string_view field(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text == nullptr ? std::string_view{} : std::string_view{text};
}

extern "C" void coffer_pg_on_notice(void* heard_by, const PGresult* result) {
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

}  // namespace

server_message message_of(const PGresult* result) {
  server_message message;
  // The untranslated severity exists since PostgreSQL 9.6.
  const std::string_view severity = field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  message.state = sqlstate_from(field(result, PG_DIAG_SQLSTATE));
  message.fatal = severity == "FATAL" || severity == "PANIC";
  message.text = field(result, PG_DIAG_MESSAGE_PRIMARY);
  message.constraint = field(result, PG_DIAG_CONSTRAINT_NAME);
  if (message.text.empty()) {
    message.text = first_line(PQresultErrorMessage(result));
  }
  return message;
}

std::string first_line(const char* text) {
  const std::string_view all = text == nullptr ? std::string_view{} : std::string_view{text};
  return std::string{all.substr(0, all.find('\n'))};
}

handle::handle(PGconn* raw) : heard_{std::make_unique<heard_notices>()}, pg_{raw} {
  PQsetNoticeReceiver(raw, coffer_pg_on_notice, heard_.get());
}

}  // namespace coffer::pg
