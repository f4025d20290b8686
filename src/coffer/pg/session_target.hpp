// Whether a session is still where its URL wanted it. Only for the sources of this folder.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include <libpq-fe.h>

#include "coffer/pg/handle.hpp"

namespace coffer::pg {

/// What target_session_attrs asked of the server when the session was opened. libpq looks then and never again; from
/// PostgreSQL 14 on the server says by itself, with its answers, when it becomes something else.
class session_target {
 public:
  session_target() = default;
  explicit session_target(PGconn* opened);

  /// Whether the server has said that it is not that any more.
  [[nodiscard]] bool is_lost(const PGconn* session) const noexcept;

 private:
  enum class demand : std::uint8_t { nothing, primary, writable };

  demand demand_ = demand::nothing;
};

namespace detail {

inline bool is_on(const PGconn* session, const char* parameter) noexcept {
  const char* value = PQparameterStatus(session, parameter);
  return value != nullptr && std::string_view{value} == "on";
}

}  // namespace detail

inline session_target::session_target(PGconn* opened) {
  const std::unique_ptr<PQconninfoOption, conninfo_deleter> in_force{PQconninfo(opened)};
  for (const PQconninfoOption* option = in_force.get(); option != nullptr && option->keyword != nullptr; ++option) {
    if (option->val != nullptr && std::string_view{option->keyword} == "target_session_attrs") {
      const std::string_view wanted = option->val;
      demand_ = wanted == "read-write" ? demand::writable : wanted == "primary" ? demand::primary : demand::nothing;
    }
  }
}

inline bool session_target::is_lost(const PGconn* session) const noexcept {
  return (demand_ != demand::nothing && detail::is_on(session, "in_hot_standby")) ||
         (demand_ == demand::writable && detail::is_on(session, "default_transaction_read_only"));
}

}  // namespace coffer::pg
