#include "coffer/pg/placement.hpp"

#include <memory>
#include <string_view>

#include "coffer/pg/handle.hpp"

namespace coffer::pg {

namespace {

bool is_on(const PGconn* session, const char* parameter) noexcept {
  const char* value = PQparameterStatus(session, parameter);
  return value != nullptr && std::string_view{value} == "on";
}

}  // namespace

placement::placement(PGconn* opened) {
  const std::unique_ptr<PQconninfoOption, conninfo_deleter> in_force{PQconninfo(opened)};
  for (const PQconninfoOption* option = in_force.get(); option != nullptr && option->keyword != nullptr; ++option) {
    if (option->val != nullptr && std::string_view{option->keyword} == "target_session_attrs") {
      const std::string_view wanted = option->val;
      demand_ = wanted == "read-write" ? demand::writable : wanted == "primary" ? demand::primary : demand::nothing;
    }
  }
}

bool placement::is_lost(const PGconn* session) const noexcept {
  return (demand_ != demand::nothing && is_on(session, "in_hot_standby")) ||
         (demand_ == demand::writable && is_on(session, "default_transaction_read_only"));
}

}  // namespace coffer::pg
