// `coffer key`: server keys for operators.
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "coffer/api/render.hpp"
#include "coffer/app/commands.hpp"
#include "coffer/app/one_shot.hpp"
#include "coffer/service/keys.hpp"

namespace coffer::app {

namespace {

constexpr std::chrono::seconds key_time{10};

template <typename Work>
auto on_keys(const key_command& asked, Work work) {
  return on_database(command_session(asked.database_url, "key"), schema_demand::none, std::move(work));
}

std::string state_of(const store::key_row& key) {
  if (key.revoked_at) {
    return "revoked";
  }
  if (key.expires_at && *key.expires_at <= now()) {
    return "expired";
  }
  return "in force";
}

std::string day_of(std::optional<timestamp> time) { return time ? to_rfc3339(*time).substr(0, 10) : "never"; }

/// A table for people.
std::string keys_to_text(const std::vector<store::key_row>& keys) {
  if (keys.empty()) {
    return "no keys; `coffer key create --name NAME --scopes \"...\"` makes one\n";
  }
  std::string text = fmt::format("{:>4}  {:<9} {:<5} {:<6} {:<11} {:<11} {:<24} {}\n", "id", "state", "kind", "ends in",
                                 "expires", "last used", "name", "scopes");
  for (const store::key_row& key : keys) {
    text += fmt::format("{:>4}  {:<9} {:<5} {:<7} {:<11} {:<11} {:<24} {}\n", key.id, state_of(key),
                        key.kind == auth::key_kind::test ? "test" : "live", key.hint, day_of(key.expires_at),
                        day_of(key.last_used_at), key.name, auth::to_string(key.scopes));
  }
  return text;
}

int create_key(const key_command& asked) {
  const key_request& wanted = asked.wanted;
  const auto kind = wanted.is_test ? auth::key_kind::test : auth::key_kind::live;
  std::optional<timestamp> expires_at;
  if (wanted.valid_for) {
    expires_at = now() + *wanted.valid_for;
  }
  const auto made = on_keys(asked, [&](pg::connection& db) {
    return service::make_key(db, wanted.name, kind, wanted.scopes, expires_at, net::deadline_in(key_time));
  });
  if (!made) {
    throw command_error(made.error().detail);
  }
  fmt::print(stderr, "coffer: key {} for {}: it is shown this once\n", made->row.id, made->row.name);
  fmt::print("{}\n", made->text);
  return exit_ok;
}

int list_keys(const key_command& asked) {
  const auto all = on_keys(asked, [](pg::connection& db) { return store::list_keys(db, net::deadline_in(key_time)); });
  fmt::print("{}", asked.json ? api::rendered(api::key_list{all}) + "\n" : keys_to_text(all));
  return exit_ok;
}

int revoke_key(const key_command& asked) {
  const auto revoked = on_keys(
      asked, [id = asked.id](pg::connection& db) { return store::revoke_key(db, id, net::deadline_in(key_time)); });
  if (!revoked) {
    throw command_error(fmt::format("there is no key {}; `coffer key list` shows those that there are", asked.id));
  }
  fmt::print("key {} ({}) is revoked\n", revoked->id, revoked->name);
  return exit_ok;
}

}  // namespace

int run(const key_command& asked) {
  switch (asked.what) {
    case key_command::action::create:
      return create_key(asked);
    case key_command::action::list:
      return list_keys(asked);
    case key_command::action::revoke:
      break;
  }
  return revoke_key(asked);
}

}  // namespace coffer::app
