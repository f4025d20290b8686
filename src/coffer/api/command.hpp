// From a request to the command that the ledger decides. Each endpoint that writes to the journal adds what it is
// about.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "coffer/api/actor.hpp"
#include "coffer/api/context.hpp"
#include "coffer/api/idempotency.hpp"
#include "coffer/domain/command.hpp"

namespace coffer::api {

/// Who asks for a change, and how a repetition of it is known.
struct request_identity {
  request_identity(std::string id, domain::actor who, std::string key)
      : request_id{std::move(id)}, by{who}, idempotency_key{std::move(key)} {}
  request_identity(const call& c, std::string key)
      : request_identity{c.request.request_id, actor_of(c.by.who), std::move(key)} {}

  std::string request_id;
  domain::actor by;
  std::string idempotency_key;  ///< empty: none
};

/// A command about this user, but for what is asked.
inline domain::command begin_command(domain::transaction_kind kind, user_id user, request_identity who) {
  domain::command made;
  made.kind = kind;
  made.user = user;
  made.request_id = std::move(who.request_id);
  made.by = who.by;
  made.idempotency_key = std::move(who.idempotency_key);
  return made;
}

/// Gives a command with a key its fingerprint, see fingerprint_of().
inline void sign(domain::command& made, std::string_view what, std::int64_t path_id,
                 std::initializer_list<std::int64_t> body, std::string_view text = {}) {
  if (!made.idempotency_key.empty()) {
    made.print = fingerprint_of(what, path_id, body, text);
  }
}

}  // namespace coffer::api
