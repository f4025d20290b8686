// Who a client is, and how many connections it may have.
#include <chrono>
#include <vector>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/server_process.hpp"
#include "support/shop.hpp"

using namespace coffer;
using namespace std::chrono_literals;

namespace {

const std::string refused_by_address = R"(coffer_http_refused_address_total{listener="public"})";

/// The peer that the access log shows for a request with these fields.
std::string logged_peer(test::shop& s, const test::header_list& fields) {
  const auto id = test::unique_word("peer");
  test::header_list headers = fields;
  headers.emplace_back("X-Request-Id", id);
  CHECK(s.client.get("/products", headers).status == 200);
  const std::string mark = fmt::format(R"("request_id":"{}")", id);
  std::string log;
  std::size_t at = 0;
  const auto is_logged = [&] {
    log = s.server.log();
    at = log.find(mark);
    return at != std::string::npos && log.find('\n', at) != std::string::npos;
  };
  if (!test::eventually(10s, is_logged)) {
    return "not logged";
  }
  const std::string name = R"("peer":")";
  // Members of a line have no order.
  const auto begin = log.find(name, log.rfind('\n', at) + 1) + name.size();
  return log.substr(begin, log.find('"', begin) - begin);
}

}  // namespace

TEST_CASE("an address has as many connections as it may have, and one more is closed at once") {
  test::shop s{{{"COFFER_MAX_CONNECTIONS_PER_ADDRESS", "3"}}};
  auto second = s.server.client();
  auto third = s.server.client();
  REQUIRE(s.client.get("/livez").status == 200);
  REQUIRE(second.get("/livez").status == 200);
  REQUIRE(third.get("/livez").status == 200);
  CHECK(s.server.metric(refused_by_address) == 0);
  auto fourth = s.server.client();
  fourth.connect();
  CHECK(fourth.closed_within(5s));
  CHECK(s.server.metric(refused_by_address) == 1);
  CHECK(third.get("/livez").status == 200);
  // A connection that ends makes room for another.
  second.close();
  const auto served = [&] {
    try {
      return s.server.client().get("/livez").status == 200;
    } catch (const test::http_failure&) {
      return false;
    }
  };
  CHECK(test::eventually(5s, served));
}

TEST_CASE("no address alone can have all connections, unless that is asked for") {
  test::shop s{{{"COFFER_MAX_CONNECTIONS", "8"}}};
  std::vector<test::http_client> greedy;
  greedy.push_back(std::move(s.client));
  REQUIRE(greedy.back().get("/livez").status == 200);
  while (greedy.size() < 4) {
    greedy.push_back(s.server.client());
    REQUIRE(greedy.back().get("/livez").status == 200);
  }
  auto fifth = s.server.client();
  fifth.connect();
  CHECK(fifth.closed_within(5s));
  CHECK(s.server.metric(refused_by_address) == 1);
  // Another address of the loopback network.
  auto other = s.server.client();
  other.come_from("127.0.0.2");
  CHECK(other.get("/livez").status == 200);
}

TEST_CASE("without a limit, and for trusted proxies, an address has any number of connections") {
  const test::environment rules = GENERATE(
      test::environment{{"COFFER_MAX_CONNECTIONS_PER_ADDRESS", "0"}},
      test::environment{{"COFFER_MAX_CONNECTIONS_PER_ADDRESS", "1"}, {"COFFER_TRUSTED_PROXIES", "127.0.0.0/8"}});
  test::shop s{rules};
  std::vector<test::http_client> clients;
  for (int i = 0; i < 10; ++i) {
    clients.push_back(s.server.client());
    CHECK(clients.back().get("/livez").status == 200);
  }
  CHECK(s.server.metric(refused_by_address) == 0);
}

TEST_CASE("X-Forwarded-For counts from trusted proxies only") {
  SECTION("from nobody by default") {
    test::shop s;
    CHECK(logged_peer(s, {{"X-Forwarded-For", "203.0.113.9"}}) == "127.0.0.1");
  }
  SECTION("not from others than those") {
    test::shop s{{{"COFFER_TRUSTED_PROXIES", "10.0.0.0/8,::1"}}};
    CHECK(logged_peer(s, {{"X-Forwarded-For", "203.0.113.9"}}) == "127.0.0.1");
  }
  SECTION("from those, anew for each request of a connection") {
    test::shop s{{{"COFFER_TRUSTED_PROXIES", "127.0.0.1,10.0.0.0/8"}}};
    CHECK(logged_peer(s, {{"X-Forwarded-For", "198.51.100.7, 203.0.113.9, 10.1.2.3"}}) == "203.0.113.9");
    CHECK(logged_peer(s, {}) == "127.0.0.1");
    CHECK(logged_peer(s, {{"X-Forwarded-For", "198.51.100.7"}, {"x-forwarded-for", "2001:DB8::1"}}) == "2001:db8::1");
    CHECK(logged_peer(s, {{"X-Forwarded-For", "203.0.113.7:52344"}}) == "203.0.113.7");
    CHECK(logged_peer(s, {{"X-Forwarded-For", "[2001:db8::7]:443, 10.1.2.3:80"}}) == "2001:db8::7");
    const std::string warning = "X-Forwarded-For holds what is no address";
    CHECK(s.server.log().find(warning) == std::string::npos);
    CHECK(logged_peer(s, {{"X-Forwarded-For", "203.0.113.9, nonsense"}}) == "127.0.0.1");
    CHECK(logged_peer(s, {{"X-Forwarded-For", "203.0.113.9, more nonsense"}}) == "127.0.0.1");
    const std::string log = s.server.log();
    CHECK(log.find(warning) != std::string::npos);
    CHECK(log.find(warning) == log.rfind(warning));
  }
}
