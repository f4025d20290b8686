// Many clients at once: nothing is lost, doubled or invented, whatever the threads and processes.
#include <algorithm>
#include <map>

#include "support/catch.hpp"
#include "support/parallel.hpp"
#include "support/server_process.hpp"
#include "support/shop.hpp"

using namespace coffer;

namespace {

/// Servers on one database: `processes` of them with `threads` each.
class fleet {
 public:
  fleet(std::size_t processes, int threads) {
    for (std::size_t i = 0; i < processes; ++i) {
      servers_.push_back(
          std::make_unique<test::server_process>(db, test::environment{{"COFFER_THREADS", std::to_string(threads)}}));
    }
  }
  test::http_client client(std::size_t i = 0) { return servers_[i % servers_.size()]->client(); }

  test::database db;

 private:
  std::vector<std::unique_ptr<test::server_process>> servers_;
};

/// How often each status was answered.
std::map<int, int> count_statuses(const std::vector<int>& statuses) {
  std::map<int, int> counts;
  for (const int s : statuses) {
    ++counts[s];
  }
  return counts;
}

struct shape {
  std::size_t processes;
  int threads;
};

shape any_shape() {
  static const shape shapes[] = {{1, 1}, {1, 2}, {2, 1}};
  return shapes[static_cast<std::size_t>(GENERATE(0, 1, 2))];
}

}  // namespace

TEST_CASE("of parallel purchases exactly as many succeed as the funds pay for") {
  const shape s = any_shape();
  CAPTURE(s.processes, s.threads);
  fleet servers{s.processes, s.threads};
  auto admin = servers.client();
  const auto user = test::make_user(admin, 700);
  const auto product = test::make_product(admin, "consumable", 100);
  const auto statuses = count_statuses(test::parallel_map(40, [&](std::size_t i) {
    auto client = servers.client(i);
    return test::buy(client, user, product).status;
  }));
  CHECK(statuses == std::map<int, int>{{201, 7}, {402, 33}});
  CHECK(test::balance_of(admin, user) == 0);
  CHECK(test::owned_units(admin, user, product) == 7);
  CHECK(test::audit(servers.db) == "");
}

TEST_CASE("of parallel purchases of one permanent by one user exactly one succeeds") {
  const shape s = any_shape();
  CAPTURE(s.processes, s.threads);
  fleet servers{s.processes, s.threads};
  auto admin = servers.client();
  const auto user = test::make_user(admin, 100'000);
  const auto product = test::make_product(admin, "permanent", 500);
  const auto statuses = count_statuses(test::parallel_map(40, [&](std::size_t i) {
    auto client = servers.client(i);
    return test::buy(client, user, product).status;
  }));
  CHECK(statuses == std::map<int, int>{{201, 1}, {409, 39}});
  CHECK(test::balance_of(admin, user) == 99'500);
  CHECK(test::audit(servers.db) == "");
}

TEST_CASE("of parallel uses exactly as many succeed as units are owned") {
  const shape s = any_shape();
  CAPTURE(s.processes, s.threads);
  fleet servers{s.processes, s.threads};
  auto admin = servers.client();
  const auto user = test::make_user(admin, 900);
  const auto product = test::make_product(admin, "consumable", 100);
  REQUIRE(test::buy(admin, user, product, 9).status == 201);
  const auto statuses = count_statuses(test::parallel_map(40, [&](std::size_t i) {
    auto client = servers.client(i);
    return test::use(client, user, product).status;
  }));
  CHECK(statuses == std::map<int, int>{{201, 9}, {409, 31}});
  CHECK(test::owned_units(admin, user, product) == 0);
  CHECK(test::audit(servers.db) == "");
}

TEST_CASE("mixed load of many users leaves books that balance") {
  const shape s = any_shape();
  CAPTURE(s.processes, s.threads);
  fleet servers{s.processes, s.threads};
  auto admin = servers.client();
  std::vector<std::int64_t> users;
  for (int i = 0; i < 12; ++i) {
    users.push_back(test::make_user(admin, 1000));
  }
  const auto potion = test::make_product(admin, "consumable", 30);
  const auto premium = test::make_product(admin, "permanent", 200);
  const auto unexpected = test::parallel_map(16, [&](std::size_t worker) {
    auto client = servers.client(worker);
    int wrong = 0;
    for (std::size_t i = 0; i < 60; ++i) {
      // Squaring the index skews the load: a few users get most of it.
      const std::size_t draw = (worker * 31 + i * 17) % 100;
      const auto user = users[draw * draw * users.size() / 10000];
      int status = 0;
      switch ((worker + i) % 4) {
        case 0:
          status = test::buy(client, user, premium).status;
          break;
        case 1:
          status = test::use(client, user, potion).status;
          break;
        case 2:
          status = test::deposit(client, user, 10, fmt::format("d-{}-{}", worker, i)).status;
          break;
        default:
          status = test::buy(client, user, potion, 2).status;
          break;
      }
      wrong += status == 201 || status == 402 || status == 409 ? 0 : 1;
    }
    return wrong;
  });
  CHECK(std::count(unexpected.begin(), unexpected.end(), 0) == 16);
  CHECK(servers.db.integer("select count(*) from transactions") >= 16 * 60);
  CHECK(test::audit(servers.db) == "");
}
