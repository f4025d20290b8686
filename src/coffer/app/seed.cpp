// `coffer seed`: example data for a first look, two products and a user with funds.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "coffer/app/commands.hpp"
#include "coffer/app/lanes.hpp"
#include "coffer/app/one_shot.hpp"
#include "coffer/base/hash.hpp"
#include "coffer/json/writer.hpp"
#include "coffer/net/task_group.hpp"
#include "coffer/store/products_store.hpp"
#include "coffer/store/users_store.hpp"

namespace coffer::app {

namespace {

constexpr std::chrono::seconds seed_time{30};

/// What is in the database after seeding, whoever put it there.
struct seeded {
  store::user_row user;
  std::vector<domain::product> products;

  /// For a person.
  [[nodiscard]] std::string to_text() const {
    std::string out = fmt::format("user {}: id {}, balance {}\n", user.username, user.id.value, user.balance.value);
    for (const domain::product& each : products) {
      out += fmt::format("product {}: {} ({}, {} credits)\n", each.terms.id.value, each.name,
                         to_string(each.terms.type), each.terms.price.value);
    }
    return out;
  }

  /// {"user_id":1,"products":[{"id":1,"name":"...","type":"consumable","price":100}]}
  [[nodiscard]] std::string to_json() const {
    std::string text;
    json::writer out{text};
    out.begin_object();
    out.key("user_id");
    out.value(user.id.value);
    out.key("products");
    out.begin_array();
    for (const domain::product& each : products) {
      out.begin_object();
      out.key("id");
      out.value(each.terms.id.value);
      out.key("name");
      out.value(each.name);
      out.key("type");
      out.value(to_string(each.terms.type));
      out.key("price");
      out.value(each.terms.price.value);
      out.end_object();
    }
    out.end_array();
    out.end_object();
    return text + "\n";
  }
};

domain::product example(const char* name, const char* description, std::int64_t price, domain::product_type type) {
  domain::product made;
  made.name = name;
  made.description = description;
  made.terms.price = domain::credits{price};
  made.terms.type = type;
  made.terms.is_active = true;
  return made;
}

// Names are compared as the unique index on them does.
constexpr pg::statement find_product_named{
    "seed_find_product", "select id from products where product_name_key(name) collate \"C\" = product_name_key($1)"};

// What is there is looked for first: an insertion that is refused would use up an id. Where another seed comes in
// between, the insertion is refused, and then it is there.

net::task<std::optional<store::user_row>> find_demo(pg::connection& db) {
  return store::find_user_by(db, store::user_name::username, "demo", net::deadline_in(seed_time));
}

net::task<store::user_row> find_or_add_user(pg::connection& db) {
  if (std::optional<store::user_row> there = co_await find_demo(db)) {
    co_return *std::move(there);
  }
  result<store::user_row> made =
      co_await store::insert_user(db, "demo", "demo@example.com", net::deadline_in(seed_time));
  if (made) {
    co_return *std::move(made);
  }
  if (std::optional<store::user_row> there = co_await find_demo(db)) {
    co_return *std::move(there);
  }
  throw command_error("another user has the e-mail address demo@example.com, which is that of the example");
}

net::task<std::optional<domain::product>> find_named(pg::connection& db, std::string name) {
  const net::deadline until = net::deadline_in(seed_time);
  const pg::rows found = co_await db.query(find_product_named, pg::params::of(name), until);
  if (found.empty()) {
    co_return std::nullopt;
  }
  co_return co_await store::find_product(db, product_id{found.int64(0, 0)}, until);
}

net::task<domain::product> find_or_add_product(pg::connection& db, domain::product wanted) {
  if (std::optional<domain::product> there = co_await find_named(db, wanted.name)) {
    co_return *std::move(there);
  }
  const std::string name = wanted.name;
  result<domain::product> made = co_await store::insert_product(db, std::move(wanted), net::deadline_in(seed_time));
  if (made) {
    co_return *std::move(made);
  }
  if (std::optional<domain::product> there = co_await find_named(db, name)) {
    co_return *std::move(there);
  }
  throw command_error(fmt::format("the product {} was not added: run it again", name));
}

/// The one lane of this process. It is the only writer of the journal here, as a server's lanes are there.
class own_lane {
 public:
  own_lane(const net::executor& ex, pg::options database) : books_{make_lanes(ex, std::move(database))}, tasks_{ex} {
    tasks_.spawn("lane", run_lane(writer()));
  }

  [[nodiscard]] ledger::ledger& books() { return books_; }

  /// Ends the lane. Before this is destroyed.
  net::task<> close() {
    writer().stop();
    bool ended = false;
    while (!ended) {
      ended = co_await tasks_.join(net::deadline_in(seed_time));
    }
  }

 private:
  static std::vector<ledger::ledger::owned_lane> make_lanes(const net::executor& ex, pg::options database) {
    ledger::lane_options how;
    how.database = std::move(database);
    how.lane_key = draw_lane_key(0, 1);
    std::vector<ledger::ledger::owned_lane> lanes;
    // Nothing is cached here, and a server hears of it as of any other process's commit.
    lanes.push_back({ex, 0, std::make_unique<ledger::lane>(ex, std::move(how), [](auto, bool) {})});
    return lanes;
  }
  ledger::lane& writer() { return *books_.lanes().front().writer; }

  ledger::ledger books_;
  net::task_group tasks_;
};

/// A deposit under the key "seed": it happens once.
domain::command example_deposit(user_id user) {
  domain::command made;
  made.kind = domain::transaction_kind::deposit;
  made.user = user;
  made.amount = domain::credits{10000};
  made.request_id = "seed";
  made.idempotency_key = "seed";
  const sha256_digest digest = sha256("coffer seed");
  std::ranges::copy(std::span{digest}.first(made.print.size()), made.print.begin());
  return made;
}

net::task<> add_funds(user_id user, pg::options session) {
  own_lane lane{co_await asio::this_coro::executor, std::move(session)};
  domain::command deposit = example_deposit(user);
  const domain::verdict done = co_await lane.books().submit(std::move(deposit), net::deadline_in(seed_time));
  co_await lane.close();
  if (const std::optional<errc> problem = done ? done->row.reason : done.error().code) {
    throw command_error(fmt::format("the funds of the example were not added: {}. Run it again", to_string(*problem)));
  }
}

net::task<seeded> seed(pg::connection& db, pg::options session) {
  seeded all;
  const store::user_row user = co_await find_or_add_user(db);
  co_await add_funds(user.id, std::move(session));
  const std::array examples = {
      example("Буст на день", "Ускоряет прогресс на 24 часа", 100, domain::product_type::consumable),
      example("Премиум-статус", "Навсегда", 500, domain::product_type::permanent)};
  for (domain::product wanted : examples) {
    all.products.push_back(co_await find_or_add_product(db, std::move(wanted)));
  }
  all.user = (co_await store::find_user(db, user.id, net::deadline_in(seed_time))).value();
  co_return all;
}

}  // namespace

int run(const seed_command& asked) {
  const pg::options session = command_session(asked.database_url, "seed");
  const seeded all =
      on_database(session, schema_demand::ready, [&session](pg::connection& db) { return seed(db, session); });
  fmt::print("{}", asked.json ? all.to_json() : all.to_text());
  return exit_ok;
}

}  // namespace coffer::app
