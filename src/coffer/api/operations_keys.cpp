// Server keys.
#include "coffer/api/idempotency.hpp"
#include "coffer/api/key_body.hpp"
#include "coffer/api/operations.hpp"

namespace coffer::api::operations {

using enum errc;

operation create_key(const document_facts&) {
  return {.id = "createKey",
          .tag = "Keys",
          .summary = "Make a server key",
          .text =
              "The answer is the only place where the key itself is ever shown; the server keeps its digest. "
              "A key gets no scope that the key which makes it lacks (403 `insufficient_scope`). "
              "A repetition under an Idempotency-Key shows the same key without its text: revoke it and make "
              "another.",
          .parameters = {key_parameter(false)},
          .body = body_of(create_key_schema(), R"({"name":"shop backend","scopes":"purchases:write inventory:read"})"),
          .replies =
              {{.status = 201, .text = "The key.", .shape = "NewKey", .headers = {"Location", "Idempotent-Replayed"}}},
          .errors = {invalid_idempotency_key, idempotency_key_reused, limit_reached}};
}

operation list_keys(const document_facts&) {
  return {.id = "listKeys",
          .tag = "Keys",
          .summary = "List the server keys",
          .text = "The newest thousand, revoked and expired ones too.",
          .replies = {{.text = "The keys, the newest first.", .shape = "Keys"}}};
}

operation revoke_key(const document_facts&) {
  return {.id = "revokeKey",
          .tag = "Keys",
          .summary = "Revoke a server key",
          .text =
              "For ever. Servers refuse the key after their next refresh (`--key-refresh`, 2 s unless set otherwise). "
              "Revoking it again changes nothing.",
          .parameters = {key_parameter(false)},
          .replies = {{.text = "The key.", .shape = "Key", .headers = {"Idempotent-Replayed"}}},
          .errors = {invalid_idempotency_key, idempotency_key_reused}};
}

}  // namespace coffer::api::operations
