#include "coffer/api/key_body.hpp"

#include <fmt/format.h>

#include "coffer/api/samples.hpp"
#include "coffer/auth/key_rules.hpp"

namespace coffer::api {

namespace {

constexpr auto longest_name = static_cast<std::int64_t>(auth::key_name.max_length);
constexpr auto longest_scopes = static_cast<std::int64_t>(auth::scope_list.max_length);

constexpr std::string_view kinds[] = {"live", "test"};

struct key_list {
  std::span<const store::key_row> items;
};

template <typename Sink>
void key_members(Sink& out, const store::key_row& key) {
  constexpr note time{.format = "date-time"};
  out.member("id", key.id, {.minimum = 1});
  out.member("name", key.name, {.text = "What it is for.", .maximum = longest_name});
  out.member("kind", kinds[key.kind == auth::key_kind::test ? 1 : 0],
             {.text = "Test keys open only servers that accept them.", .names = kinds});
  out.member("scopes", auth::to_string(key.scopes), {.text = "Separated by spaces.", .maximum = longest_scopes});
  out.member("hint", key.hint, {.text = "The last characters of the key.", .maximum = 8});
  out.member("created_at", to_rfc3339(key.created_at), time);
  out.nullable("expires_at", to_rfc3339_if_any(key.expires_at), {.text = "Null: never.", .format = "date-time"});
  out.nullable("revoked_at", to_rfc3339_if_any(key.revoked_at), {.text = "Null: in force.", .format = "date-time"});
  out.nullable("last_used_at", to_rfc3339_if_any(key.last_used_at),
               {.text = "Up to a minute late; null: never.", .format = "date-time"});
}

store::key_row sample() {
  store::key_row key;
  key.id = 1;
  key.name = "shop backend";
  key.scopes = {auth::scope::purchases_write, auth::scope::inventory_read};
  key.hint = "x7Qa";
  key.created_at = samples::user().created_at;
  return key;
}

}  // namespace

// These are found by their first argument, hence not in the unnamed namespace.

template <typename Sink>
static void members_of(Sink& out, const key_list& keys) {
  out.called("Keys");
  out.list("items", keys.items, {.maximum = store::listed_keys});
}

}  // namespace coffer::api

namespace coffer::store {

template <typename Sink>
static void members_of(Sink& out, const key_row& key) {
  out.called("Key");
  api::key_members(out, key);
}

}  // namespace coffer::store

namespace coffer::service {

template <typename Sink>
static void members_of(Sink& out, const made_key& made) {
  out.called("NewKey");
  out.nullable("key", std::string_view{made.text},
               {.text = "The key itself. It is shown this once and cannot be had again: null in a repetition.",
                .maximum = 47,
                .pattern = "^cof_(live|test)_[0-9A-Za-z]{38}$"});
  api::key_members(out, made.row);
}

}  // namespace coffer::service

namespace coffer::api {

const json::object<create_key_body>& create_key_schema() {
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

std::string canonical(const create_key_body& body) {
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

std::string render_body(const store::key_row& key) { return rendered(key); }
std::string render_body(const service::made_key& made) { return rendered(made); }
std::string render_keys(std::span<const store::key_row> keys) { return rendered(key_list{keys}); }

void add_key_shapes(shapes& all) {
  const store::key_row row = sample();
  all.add(row);
  all.add(service::made_key{row, "cof_live_1aB2cD3eF4gH5iJ6kL7mN8oP9qR0sT1uV2x7Qa"});
  all.add(key_list{std::span{&row, 1}});
}

}  // namespace coffer::api
