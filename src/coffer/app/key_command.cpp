#include "coffer/app/key_command.hpp"

#include <stdexcept>

#include <fmt/format.h>

#include "coffer/api/render.hpp"
#include "coffer/app/run_blocking.hpp"
#include "coffer/pg/connection.hpp"

namespace coffer::app {

namespace {

constexpr std::chrono::seconds command_time{10};

/// Runs `work(connection, deadline)` on a connection of its own.
template <typename Work>
auto with_own_connection(std::string database_url, Work work)
    -> std::invoke_result_t<Work, pg::connection&, net::deadline> {
  const net::deadline until = net::deadline_in(command_time);
  const net::executor ex = co_await asio::this_coro::executor;
  pg::options how{std::move(database_url)};
  how.prepared = false;  // a pooler may lend the session to others
  std::unique_ptr<pg::connection> db = co_await pg::connection::open(ex, std::move(how), until);
  co_return co_await work(*db, until);
}

template <typename Work>
auto run(const std::string& database_url, Work work) {
  try {
    return run_blocking(with_own_connection(database_url, std::move(work)));
  } catch (const pg::error& e) {
    if (e.state() == pg::sqlstate::undefined_table) {
      throw std::runtime_error("the schema is missing or older than this program: run `coffer migrate up`");
    }
    throw std::runtime_error(
        fmt::format("{}. Check --database-url or DATABASE_URL, and that the server runs", e.what()));
  }
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

}  // namespace

service::made_key create_key(const std::string& database_url, const key_request& wanted) {
  const auto kind = wanted.is_test ? auth::key_kind::test : auth::key_kind::live;
  std::optional<timestamp> expires_at;
  if (wanted.valid_for) {
    expires_at = now() + *wanted.valid_for;
  }
  auto made = run(database_url, [&](pg::connection& db, net::deadline until) {
    return service::make_key(db, wanted.name, kind, wanted.scopes, expires_at, until);
  });
  if (!made) {
    throw std::runtime_error(made.error().detail);
  }
  return *std::move(made);
}

std::vector<store::key_row> list_keys(const std::string& database_url) {
  return run(database_url, [](pg::connection& db, net::deadline until) { return store::list_keys(db, until); });
}

store::key_row revoke_key(const std::string& database_url, std::int64_t id) {
  auto revoked =
      run(database_url, [id](pg::connection& db, net::deadline until) { return store::revoke_key(db, id, until); });
  if (!revoked) {
    throw std::runtime_error(fmt::format("there is no key {}; `coffer key list` shows those that there are", id));
  }
  return *std::move(revoked);
}

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

std::string keys_to_json(const std::vector<store::key_row>& keys) { return api::rendered(api::key_list{keys}) + "\n"; }

}  // namespace coffer::app
