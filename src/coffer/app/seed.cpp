#include "coffer/app/seed.hpp"

#include <array>
#include <stdexcept>

#include <fmt/format.h>

#include "coffer/app/migrate_state.hpp"
#include "coffer/app/run_blocking.hpp"
#include "coffer/base/hash.hpp"
#include "coffer/domain/product.hpp"
#include "coffer/domain/transaction.hpp"
#include "coffer/json/writer.hpp"
#include "coffer/pg/connection.hpp"

namespace coffer::app {

namespace {

struct example {
  const char* name;
  const char* description;
  std::int64_t price;
  domain::product_type type;
};

constexpr std::array<example, 2> examples = {
    {{"Буст на день", "Ускоряет прогресс на 24 часа", 100, domain::product_type::consumable},
     {"Премиум-статус", "Навсегда", 500, domain::product_type::permanent}}};

constexpr std::string_view demo_name = "demo";
constexpr std::string_view demo_email = "demo@example.com";
constexpr std::int64_t demo_funds = 10000;
constexpr std::string_view seed_key = "seed";

// Two seeds at once would both find nothing.
constexpr pg::statement take_turn{"seed_take_turn", "select pg_advisory_xact_lock(hashtextextended('coffer seed', 0))"};
constexpr pg::statement insert_product{
    "seed_insert_product",
    "insert into products (id, name, description, price, type, is_active, created_at, updated_at)"
    " select nextval('product_ids'), $1, $2, $3, $4, true, now(), now()"
    " where not exists (select 1 from products where lower(name) = lower($1))"};
constexpr pg::statement select_product{"seed_select_product",
                                       "select id, name, type, price from products where lower(name) = lower($1)"};
constexpr pg::statement select_user{"seed_select_user", "select user_id from usernames where username = $1"};
constexpr pg::statement insert_user{"seed_insert_user",
                                    "insert into users (id, username, email, balance, version, created_at)"
                                    " values (nextval('user_ids'), $1, $2, 0, 0, now()) returning id"};
constexpr pg::statement insert_username{"seed_insert_username",
                                        "insert into usernames (username, user_id) values ($1, $2)"};
constexpr pg::statement insert_email{"seed_insert_email", "insert into emails (email, user_id) values ($1, $2)"};
constexpr pg::statement lock_user{"seed_lock_user",
                                  "select balance, version from users where id = $1 for no key update"};
constexpr pg::statement find_deposit{"seed_find_deposit",
                                     "select 1 from transactions where user_id = $1 and idempotency_key = $2"
                                     " and (actor is not distinct from 0) = false"};
constexpr pg::statement insert_deposit{
    "seed_insert_deposit",
    "insert into transactions (user_id, version, kind, status, quantity, amount, balance_after, idempotency_key,"
    " fingerprint, request_id, created_at) values ($1, $2, $3, $4, 0, $5, $6, $7, $8, 'seed', clock_timestamp())"};
constexpr pg::statement update_user{"seed_update_user", "update users set balance = $2, version = $3 where id = $1"};

/// A session inside the one transaction.
class seeder {
 public:
  explicit seeder(std::unique_ptr<pg::connection> db) : db_{std::move(db)} {}

  net::task<seeded> run();

 private:
  net::task<pg::rows> query(const pg::statement* what, pg::params with) {
    return db_->query(*what, std::move(with), until_);
  }
  net::task<std::int64_t> find_or_add_user();
  net::task<> add_funds(std::int64_t user, std::int64_t* balance);
  net::task<seeded::product> find_or_add_product(const example* wanted);

  std::unique_ptr<pg::connection> db_;
  net::deadline until_ = net::deadline_in(std::chrono::seconds{30});
};

net::task<std::int64_t> seeder::find_or_add_user() {
  const pg::rows known = co_await query(&select_user, pg::params::of(demo_name));
  if (!known.empty()) {
    co_return known.int64(0, 0);
  }
  const pg::rows made = co_await query(&insert_user, pg::params::of(demo_name, demo_email));
  const std::int64_t user = made.int64(0, 0);
  co_await query(&insert_username, pg::params::of(demo_name, user));
  co_await query(&insert_email, pg::params::of(demo_email, user));
  co_return user;
}

net::task<> seeder::add_funds(std::int64_t user, std::int64_t* balance) {
  // The row lock comes first, as for every writer; what is read afterwards is what the last one left.
  const pg::rows wallet = co_await query(&lock_user, pg::params::of(user));
  *balance = wallet.int64(0, 0);
  const std::int64_t at = wallet.int64(0, 1) + 1;
  const pg::rows done = co_await query(&find_deposit, pg::params::of(user, seed_key));
  if (!done.empty()) {
    co_return;
  }
  *balance += demo_funds;
  const sha256_digest digest = sha256("coffer seed");
  pg::params row =
      pg::params::of(user, at, static_cast<std::int16_t>(domain::transaction_kind::deposit),
                     static_cast<std::int16_t>(domain::transaction_status::completed), demo_funds, *balance, seed_key);
  row.add_bytes(std::span{digest}.first(sizeof(domain::fingerprint)));
  co_await query(&insert_deposit, std::move(row));
  co_await query(&update_user, pg::params::of(user, *balance, at));
}

net::task<seeded::product> seeder::find_or_add_product(const example* wanted) {
  co_await query(&insert_product, pg::params::of(wanted->name, wanted->description, wanted->price,
                                                 static_cast<std::int16_t>(wanted->type)));
  const pg::rows found = co_await query(&select_product, pg::params::of(wanted->name));
  seeded::product made;
  made.id = found.int64(0, 0);
  made.name = found.text(0, 1);
  made.type = to_string(static_cast<domain::product_type>(found.int16(0, 2)));
  made.price = found.int64(0, 3);
  co_return made;
}

net::task<seeded> seeder::run() {
  const schema_report schema = co_await check_schema(*db_, until_);
  if (schema.state != schema_state::ready) {
    throw std::runtime_error(schema.message);
  }
  co_await db_->execute("begin", until_);
  co_await query(&take_turn, pg::params{});
  seeded all;
  all.username = demo_name;
  all.user_id = co_await find_or_add_user();
  co_await add_funds(all.user_id, &all.balance);
  for (const example& each : examples) {
    all.products.push_back(co_await find_or_add_product(&each));
  }
  const pg::rows done = co_await db_->execute("commit", until_);
  if (done.command_tag() != "COMMIT") {
    throw std::runtime_error("the example data was not committed: run it again");
  }
  co_return all;
}

net::task<seeded> seed(std::string database_url) {
  pg::options options{std::move(database_url)};
  options.application_name = "coffer seed";
  options.prepared = false;  // a pooler may lend the session to others
  const auto until = net::deadline_in(std::chrono::seconds{10});
  auto db = co_await pg::connection::open(co_await asio::this_coro::executor, std::move(options), until);
  seeder session{std::move(db)};
  co_return co_await session.run();
}

}  // namespace

std::string seeded::to_text() const {
  std::string out = fmt::format("user {}: id {}, balance {}\n", username, user_id, balance);
  for (const product& each : products) {
    out += fmt::format("product {}: {} ({}, {} credits)\n", each.id, each.name, each.type, each.price);
  }
  return out;
}

std::string seeded::to_json() const {
  std::string out;
  json::writer w{out};
  w.begin_object();
  w.key("user_id");
  w.value(user_id);
  w.key("products");
  w.begin_array();
  for (const product& each : products) {
    w.begin_object();
    w.key("id");
    w.value(each.id);
    w.key("name");
    w.value(each.name);
    w.key("type");
    w.value(each.type);
    w.key("price");
    w.value(each.price);
    w.end_object();
  }
  w.end_array();
  w.end_object();
  return out + "\n";
}

seeded seed_database(const std::string& database_url) {
  try {
    return run_blocking(seed(database_url));
  } catch (const pg::error& e) {
    throw std::runtime_error(
        fmt::format("{}. Check --database-url or DATABASE_URL, and that the server runs", e.what()));
  }
}

}  // namespace coffer::app
