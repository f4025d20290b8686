// /keys: server keys, made, listed and revoked.
#pragma once

#include <fmt/format.h>

#include "coffer/api/answers.hpp"
#include "coffer/api/once.hpp"
#include "coffer/api/openapi/samples.hpp"
#include "coffer/service/keys.hpp"

namespace coffer::api {

/// A key with its text, which is shown this once.
template <typename Sink>
void members_of(Sink& out, const service::made_key& made) {
  out.called("NewKey");
  out.nullable("key", std::string_view{made.text},
               {.text = "The key itself. It is shown this once and cannot be had again: null in a repetition.",
                .maximum = 47,
                .pattern = "^cof_(live|test)_[0-9A-Za-z]{38}$"});
  api::key_members(out, made.row);
}

/// POST /keys
struct create_key_body {
  std::string name;
  std::string scopes;
  bool is_test = false;
  std::optional<timestamp> expires_at;
};

inline const json::object<create_key_body>& create_key_schema() {
  static const std::string scopes_help = fmt::format("Separated by spaces: {}.", auth::scope_names());
  static const auto schema =
      json::object<create_key_body>{"CreateKey"}
          .required("name", &create_key_body::name, auth::key_name, "What it is for, for people.")
          .required("scopes", &create_key_body::scopes, auth::scope_list, scopes_help)
          .optional("is_test", &create_key_body::is_test, json::boolean{},
                    "A cof_test_ key: it opens only servers that accept test keys.")
          .optional("expires_at", &create_key_body::expires_at, json::date_time{}, "Null: never.")
          .rule([](const create_key_body& body, json::violations& found) {
            if (const auto scopes = auth::scopes_from_string(body.scopes); !scopes) {
              found.add("scopes", "unknown_scope",
                        scopes.error().empty() ? "must name at least one scope"
                                               : fmt::format("'{}' is not a scope", scopes.error()));
            }
            if (body.expires_at && *body.expires_at <= now()) {
              found.add("expires_at", "after", "must be in the future");
            }
          });
  return schema;
}

inline std::string canonical(const create_key_body& body) {
  std::string text;
  json::writer out{text};
  out.begin_object();
  out.key("name");
  out.value(body.name);
  out.key("scopes");
  out.value(auth::to_string(auth::scopes_from_string(body.scopes).value_or(auth::scope_set{})));
  out.key("is_test");
  out.value(body.is_test);
  out.key("expires_at");
  write_canonical(out, body.expires_at);
  out.end_object();
  return text;
}

inline net::task<http::response> create_key(context& with, call c) {
  auto wish = read_write(create_key_schema(), c.request);
  if (!wish) {
    co_return refuse(wish.error(), c.request);
  }
  create_key_body& body = wish->body;
  const auth::key_kind kind = body.is_test ? auth::key_kind::test : auth::key_kind::live;
  // The description's rule has read them before.
  const auth::scope_set scopes = auth::scopes_from_string(body.scopes).value();
  for (const auth::scope each : auth::all_scopes) {
    if (!scopes.contains(each)) {
      continue;
    }
    // Nobody makes a key that may do more than the one that made it.
    if (const auto allowed = gate::need(c.by, each); !allowed) {
      co_return refuse(allowed.error(), c.request);
    }
  }
  const auto respond = [r = &c.request](const result<service::made_key>& made) {
    return made ? created(*made, fmt::format("/keys/{}", made->row.id)) : refuse(made.error(), *r);
  };
  auto under = keyed<service::made_key>(c, std::move(wish->key), "create-key", 0, canonical(body),
                                        without_secret<service::made_key>(respond));
  const auto made = co_await with.keys.create(std::move(body.name), kind, scopes, body.expires_at, std::move(under),
                                              c.request.deadline);
  co_return answer_written(made, respond);
}

inline void add_key_shapes(shapes& all, const document_facts&) {
  store::key_row row;
  row.id = 1;
  row.name = "shop backend";
  row.scopes = {auth::scope::purchases_write, auth::scope::inventory_read};
  row.hint = "x7Qa";
  row.created_at = samples::user().created_at;
  all.add(row);
  all.add(service::made_key{row, "cof_live_1aB2cD3eF4gH5iJ6kL7mN8oP9qR0sT1uV2x7Qa"});
  all.add(key_list{std::span{&row, 1}});
}

inline description describe_create_key(const document_facts&) {
  using enum errc;
  return {.id = "createKey",
          .tag = "Keys",
          .summary = "Make a server key",
          .text =
              "The answer is the only place where the key itself is ever shown; the server keeps its digest. "
              "A key gets no scope that the key which makes it lacks (403 `insufficient_scope`). "
              "A repetition under an Idempotency-Key shows the same key without its text: revoke it and make "
              "another.",
          .headers = {key_parameter(false)},
          .body = body_of(create_key_schema(), R"({"name":"shop backend","scopes":"purchases:write inventory:read"})"),
          .replies =
              {{.status = 201, .text = "The key.", .shape = "NewKey", .headers = {"Location", "Idempotent-Replayed"}}},
          .errors = {invalid_idempotency_key, idempotency_key_reused, too_many_keys},
          .add_shapes = add_key_shapes};
}

inline net::task<http::response> list_keys(context& with, call c) {
  const std::vector<store::key_row> all = co_await with.keys.list(c.request.deadline);
  co_return ok(key_list{all});
}

inline description describe_list_keys(const document_facts&) {
  return {.id = "listKeys",
          .tag = "Keys",
          .summary = "List the server keys",
          .text = "The newest thousand, revoked and expired ones too.",
          .replies = {{.text = "The keys, the newest first.", .shape = "Keys"}}};
}

inline net::task<http::response> revoke_key(context& with, call c) {
  result<std::string> key = idempotency_key(c.request);
  if (!key) {
    co_return refuse(key.error(), c.request);
  }
  const auto respond = [r = &c.request](const result<store::key_row>& revoked) {
    return revoked ? ok(*revoked) : refuse(revoked.error(), *r);
  };
  auto under = keyed<store::key_row>(c, *std::move(key), "revoke-key", c.params[0], {}, respond);
  const auto revoked = co_await with.keys.revoke(c.params[0], std::move(under), c.request.deadline);
  co_return answer_written(revoked, respond);
}

inline description describe_revoke_key(const document_facts&) {
  using enum errc;
  return {.id = "revokeKey",
          .tag = "Keys",
          .summary = "Revoke a server key",
          .text =
              "For ever. Servers refuse the key after their next refresh (`--key-refresh`, 2 s unless set otherwise). "
              "Revoking it again changes nothing.",
          .headers = {key_parameter(false)},
          .replies = {{.text = "The key.", .shape = "Key", .headers = {"Idempotent-Replayed"}}},
          .errors = {invalid_idempotency_key, idempotency_key_reused}};
}

inline constexpr endpoint key_endpoints[] = {
    {.verb = http::method::post,
     .path = "/keys",
     .serve = create_key,
     .describe = describe_create_key,
     .who = access::needs(auth::scope::keys_admin),
     .body = body_kind::json},
    {.verb = http::method::get,
     .path = "/keys",
     .serve = list_keys,
     .describe = describe_list_keys,
     .who = access::needs(auth::scope::keys_admin).or_needs(auth::scope::admin_read)},
    {.verb = http::method::delete_,
     .path = "/keys/{key_id}",
     .serve = revoke_key,
     .describe = describe_revoke_key,
     .who = access::needs(auth::scope::keys_admin)}};

}  // namespace coffer::api
