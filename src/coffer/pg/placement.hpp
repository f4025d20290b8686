// Whether a session is still where its URL wanted it. Only for the sources of this folder.
#pragma once

#include <cstdint>

#include <libpq-fe.h>

namespace coffer::pg {

/// What target_session_attrs asked of the server when the session was opened. libpq looks then and never again; from
/// PostgreSQL 14 on the server says by itself, with its answers, when it becomes something else.
class placement {
 public:
  placement() = default;
  explicit placement(PGconn* opened);

  /// Whether the server has said that it is not that any more.
  [[nodiscard]] bool is_lost(const PGconn* session) const noexcept;

 private:
  enum class demand : std::uint8_t { nothing, primary, writable };

  demand demand_ = demand::nothing;
};

}  // namespace coffer::pg
