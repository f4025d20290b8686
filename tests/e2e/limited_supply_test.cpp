// Limited products over HTTP: never oversold by threads or processes, restocked while they sell, limits that hold in a
// race, sales with edges, and prices that change under the buyers' hands.
#include <algorithm>
#include <atomic>
#include <thread>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/parallel.hpp"
#include "support/process.hpp"
#include "support/server_process.hpp"
#include "support/shop.hpp"

using namespace coffer;

namespace {

/// Servers on one database.
struct market {
  market(std::size_t processes, int threads) {
    for (std::size_t i = 0; i < processes; ++i) {
      servers.push_back(
          std::make_unique<test::server_process>(db, test::environment{{"COFFER_THREADS", std::to_string(threads)}}));
    }
  }
  test::http_client client(std::size_t i = 0) { return servers[i % servers.size()]->client(); }

  test::database db;
  std::vector<std::unique_ptr<test::server_process>> servers;
};

/// Creates a consumable for one credit with these members besides.
std::int64_t make_limited(test::http_client& client, const std::string& members) {
  const auto body =
      fmt::format(R"({{"name":"{}","price":1,"type":"consumable",{}}})", test::unique_word("limited"), members);
  const auto made = client.post("/products", body);
  REQUIRE(made.status == 201);
  return made.json()["id"].integer();
}

test::http_response change(test::http_client& client, std::int64_t product, const std::string& body) {
  return client.patch(fmt::format("/products/{}", product), body);
}

std::vector<std::int64_t> make_users(test::http_client& client, std::size_t count) {
  std::vector<std::int64_t> users;
  for (std::size_t i = 0; i < count; ++i) {
    users.push_back(test::make_user(client, 100));
  }
  return users;
}

}  // namespace

TEST_CASE("of many racers for a few pieces exactly as many succeed as there are pieces") {
  const auto [processes, threads] = GENERATE(std::pair{1, 1}, std::pair{1, 2}, std::pair{2, 1});
  CAPTURE(processes, threads);
  market m{static_cast<std::size_t>(processes), threads};
  auto admin = m.client();
  const auto users = make_users(admin, 20);
  const auto product = make_limited(admin, R"("stock":7)");
  const auto statuses = test::parallel_map(40, [&](std::size_t i) {
    auto client = m.client(i);
    return test::buy(client, users[i % users.size()], product).status;
  });
  CHECK(std::count(statuses.begin(), statuses.end(), 201) == 7);
  CHECK(std::count(statuses.begin(), statuses.end(), 409) == 33);
  CHECK(admin.get(fmt::format("/products/{}", product)).json()["stock"] == 0);
  CHECK(m.db.integer("select sold from product_stock") == 7);
  CHECK(test::audit(m.db) == "");
}

TEST_CASE("a stock that is set while it sells is sold to its last piece") {
  market m{2, 1};
  auto admin = m.client();
  const auto users = make_users(admin, 16);
  const auto product = make_limited(admin, R"("stock":0)");
  std::atomic<bool> selling = true;
  std::atomic<int> refilled = 0;
  std::jthread operator_{[&] {
    auto client = m.client(1);
    while (selling) {
      refilled += change(client, product, R"({"stock":3})").status == 200 ? 1 : 0;
    }
  }};
  // More than one filling.
  std::atomic<int> total = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  test::parallel_map(16, [&](std::size_t i) {
    auto client = m.client(i);
    for (int n = 0; n < 25 || (total <= 3 && std::chrono::steady_clock::now() < end); ++n) {
      total += test::buy(client, users[i], product).status == 201 ? 1 : 0;
    }
    return 0;
  });
  selling = false;
  operator_.join();
  CHECK(refilled > 0);
  CHECK(total > 3);
  CHECK(m.db.integer("select sold from product_stock") == total);
  CHECK(test::audit(m.db) == "");
}

TEST_CASE("a product becomes limited, unlimited and limited again") {
  test::shop s;
  const auto path = fmt::format("/products/{}", s.product);
  REQUIRE(s.buy(5).status == 201);
  CHECK(change(s.client, s.product, R"({"stock":1})").json()["stock"] == 1);
  CHECK(s.buy().status == 201);
  CHECK(s.buy().status == 409);
  CHECK(change(s.client, s.product, R"({"stock":null})").json()["stock"].is_null());
  CHECK(s.buy(4).status == 201);
  CHECK(change(s.client, s.product, R"({"stock":2})").json()["stock"] == 2);
  CHECK(s.buy(3).status == 409);
  CHECK(s.buy(2).status == 201);
  CHECK(s.client.get(path).json()["stock"] == 0);
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("the refusal of a sold-out product is replayed word for word after a restock") {
  test::shop s;
  const auto product = make_limited(s.client, R"("stock":2)");
  const auto refused = test::buy(s.client, s.user, product, 3, "wish");
  REQUIRE(refused.status == 409);
  CHECK(refused.json()["code"] == "sold_out");
  CHECK(refused.json()["requested"] == 3);
  CHECK(refused.json()["available"] == 2);
  REQUIRE(change(s.client, product, R"({"stock":50})").status == 200);
  const auto again = test::buy(s.client, s.user, product, 3, "wish");
  CHECK(again.status == 409);
  CHECK(again.json()["available"] == 2);
  CHECK(test::buy(s.client, s.user, product, 3, "another-wish").status == 201);
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("a limit per user holds against parallel requests and counts what was used up") {
  market m{1, 2};
  auto admin = m.client();
  const auto user = test::make_user(admin, 1000);
  const auto product = make_limited(admin, R"("per_user_limit":4)");
  const auto statuses = test::parallel_map(50, [&](std::size_t) {
    auto client = m.client();
    return test::buy(client, user, product).status;
  });
  CHECK(std::count(statuses.begin(), statuses.end(), 201) == 4);
  CHECK(std::count(statuses.begin(), statuses.end(), 409) == 46);
  REQUIRE(test::use(admin, user, product, 4).status == 201);
  const auto refused = test::buy(admin, user, product, 2, "k");
  CHECK(refused.status == 409);
  CHECK(refused.json()["code"] == "limit_reached");
  CHECK(refused.json()["limit"] == 4);
  CHECK(refused.json()["bought"] == 4);
  CHECK(refused.json()["requested"] == 2);
  CHECK(test::buy(admin, user, product, 2, "k").json()["bought"] == 4);
  CHECK(test::audit(m.db) == "");
}

TEST_CASE("a product is sold during its sale only") {
  test::shop s;
  const auto later = make_limited(s.client, R"("sale_starts_at":"2999-01-01T01:00:00+01:00")");
  const auto refused = test::buy(s.client, s.user, later);
  CHECK(refused.status == 409);
  CHECK(refused.json()["code"] == "not_on_sale");
  CHECK(refused.json()["sale_starts_at"] == "2999-01-01T00:00:00.000000Z");
  CHECK(refused.json()["sale_ends_at"].is_null());
  CHECK(refused.json()["detail"] == "The sale of this product has not started.");
  const auto over = make_limited(s.client, R"("sale_ends_at":"2001-01-01T00:00:00Z")");
  CHECK(test::buy(s.client, s.user, over).json()["detail"] == "The sale of this product is over.");
  REQUIRE(change(s.client, over, R"({"sale_ends_at":null})").status == 200);
  CHECK(test::buy(s.client, s.user, over).status == 201);
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("a sale must end after its start, whichever of them is changed") {
  test::shop s;
  const auto both = s.client.post("/products", R"({"name":"x","price":1,"type":"consumable","stock":-1,)"
                                               R"("per_user_limit":0,"sale_starts_at":"noon","sale_ends_at":5})");
  CHECK(both.status == 422);
  CHECK(both.json()["errors"].elements().size() == 4);
  const auto product = make_limited(s.client, R"("sale_starts_at":"2030-01-01T00:00:00Z")");
  const auto refused = change(s.client, product, R"({"sale_ends_at":"2030-01-01T00:00:00Z"})");
  CHECK(refused.status == 422);
  CHECK(refused.json()["errors"].elements().at(0)["pointer"] == "#/sale_ends_at");
  CHECK(change(s.client, product, R"({"sale_ends_at":"2030-01-01T00:00:00.000001Z"})").status == 200);
}

TEST_CASE("a purchase pays a price that was in force while it was processed") {
  market m{2, 1};
  auto admin = m.client();
  const auto users = make_users(admin, 8);
  const auto product = test::make_product(admin, "consumable", 1);
  std::atomic<std::int64_t> announced = 1;  // before its change is sent
  std::atomic<std::int64_t> answered = 1;   // after its change was answered
  std::atomic<bool> selling = true;
  std::jthread operator_{[&] {
    auto client = m.client(1);
    for (std::int64_t price = 2; selling && price < 1'000'000; ++price) {
      announced = price;
      if (change(client, product, fmt::format(R"({{"price":{}}})", price)).status == 200) {
        answered = price;
      }
    }
  }};
  const auto wrong = test::parallel_map(8, [&](std::size_t i) {
    auto client = m.client(i);
    int outside = 0;
    for (int n = 0; n < 40; ++n) {
      test::deposit(client, users[i], 1'000'000, fmt::format("more-{}", n));
      const std::int64_t oldest = answered;
      const auto bought = test::buy(client, users[i], product);
      const std::int64_t newest = announced;
      if (bought.status != 201) {
        ++outside;
        continue;
      }
      const std::int64_t paid = bought.json()["transaction"]["amount"].integer();
      outside += paid < oldest || paid > newest ? 1 : 0;
    }
    return outside;
  });
  selling = false;
  operator_.join();
  CHECK(std::count(wrong.begin(), wrong.end(), 0) == 8);
  CHECK(answered > 1);
  CHECK(test::audit(m.db) == "");
}

TEST_CASE("an expected price that is not the price is refused with the price") {
  test::shop s;
  const auto path = fmt::format("/products/{}/purchase", s.product);
  const auto wish = fmt::format(R"({{"user_id":{},"expected_price":9,"quantity":2}})", s.user);
  const auto refused = s.client.post(path, wish, test::key("guarded"));
  CHECK(refused.status == 409);
  CHECK(refused.json()["code"] == "price_changed");
  CHECK(refused.json()["current_price"] == 1);
  REQUIRE(change(s.client, s.product, R"({"price":9})").status == 200);
  CHECK(s.client.post(path, wish, test::key("guarded")).json()["current_price"] == 1);
  CHECK(s.client.post(path, wish).status == 201);
}

TEST_CASE("falsified stocks and limits are found") {
  test::shop s;
  const auto product = make_limited(s.client, R"("stock":5)");
  REQUIRE(test::buy(s.client, s.user, product, 2).status == 201);
  const auto broken = [&s] {
    const auto run = test::run_coffer({"verify", "--format", "json"}, {{"DATABASE_URL", s.db.url()}});
    const auto report = test::json_value::parse(run.out);
    return std::pair{report["rules"]["stocks_are_journal_sum"]["violations"].integer(),
                     report["rules"]["bought_is_journal_sum"]["violations"].integer()};
  };
  REQUIRE(broken() == std::pair<std::int64_t, std::int64_t>{0, 0});
  SECTION("more sold than the journal says") {
    s.db.query("update product_stock set sold = 3");
    CHECK(broken().first == 1);
    CHECK(test::audit(s.db) != "");
  }
  SECTION("units that were sold twice, others not at all, in the right sum") {
    REQUIRE(test::buy(s.client, s.user, product, 1).status == 201);
    REQUIRE(broken() == std::pair<std::int64_t, std::int64_t>{0, 0});
    s.db.query("update transactions set detail_1 = 3 where detail_1 = 2");
    CHECK(broken().first == 1);
    CHECK(test::audit(s.db) != "");
  }
  SECTION("oversold") {
    s.db.query("alter table product_stock drop constraint product_stock_supply_check");
    s.db.query("update product_stock set supply = 1");
    CHECK(broken().first == 1);
    CHECK(test::audit(s.db) != "");
  }
  SECTION("a stock that is gone") {
    s.db.query("delete from product_stock");
    CHECK(broken().first == 1);
  }
  SECTION("units bought that nobody bought") {
    s.db.query("update inventory set bought = bought + 1");
    CHECK(broken().second == 1);
    CHECK(test::audit(s.db) != "");
  }
}
