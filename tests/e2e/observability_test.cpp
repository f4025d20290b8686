// What an operator sees of requests: traces, slow ones, and what was decided.
#include <thread>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/shop.hpp"

using namespace coffer;

TEST_CASE("a trace goes on through the answer and into the log") {
  test::shop shop{{{"COFFER_LOG_LEVEL", "info"}}};
  const std::string trace = "0af7651916cd43dd8448eb211c80319c";
  const std::string parent = "b7ad6b7169203331";
  const auto answer = shop.client.get("/livez", {{"Traceparent", fmt::format("00-{}-{}-01", trace, parent)}});
  const std::string returned = answer.header("traceparent").value_or("");
  CHECK(returned.starts_with("00-" + trace + "-"));
  CHECK(returned.ends_with("-01"));
  CHECK(returned.find(parent) == std::string::npos);
  CHECK(!shop.client.get("/livez", {{"traceparent", "00-nonsense"}}).header("traceparent"));
  CHECK(!shop.client.get("/livez").header("traceparent"));
  CHECK(
      shop.client.get("/nowhere", {{"traceparent", fmt::format("00-{}-{}-01", trace, parent)}}).header("traceparent"));
  CHECK(shop.server.stop() == 0);
  CHECK(shop.server.log().find("\"trace_id\":\"" + trace + "\"") != std::string::npos);
}

TEST_CASE("a request that waits for a lock is logged as slow, with its batch") {
  test::shop shop{{{"COFFER_SLOW_REQUEST", "50ms"}}};
  auto& holder = shop.db.sql();
  holder.query("begin");
  holder.query(fmt::format("select 1 from users where id = {} for update", shop.user));
  {
    auto waiting = shop.server.client();
    std::jthread buyer{[&] { test::buy(waiting, shop.user, shop.product); }};
    std::this_thread::sleep_for(std::chrono::milliseconds{150});
    holder.query("commit");
  }
  const auto request = shop.server.wait_for_event("slow request");
  REQUIRE(request.has_value());
  CHECK((*request)["route"] == "/products/{product_id}/purchase");
  CHECK((*request)["status"] == 201);
  const auto batch = shop.server.wait_for_event("slow batch");
  REQUIRE(batch.has_value());
  CHECK((*batch)["commands"] == 1);
  CHECK((*batch)["request_id"] == (*request)["request_id"]);
}

TEST_CASE("transactions are counted by kind and outcome, replays among neither") {
  test::shop shop{{}, 3};
  CHECK(shop.buy(1, "one").status == 201);
  CHECK(shop.buy(1, "one").status == 201);
  CHECK(shop.buy(5).status == 402);
  CHECK(test::use(shop.client, shop.user, shop.product, 9).status == 409);
  const auto count = [&](const char* kind, const char* outcome) {
    return shop.server.metric(fmt::format("coffer_transactions_total{{kind=\"{}\",outcome=\"{}\"}}", kind, outcome));
  };
  CHECK(count("deposit", "completed") == 1);
  CHECK(count("purchase", "completed") == 1);
  CHECK(count("purchase", "insufficient_funds") == 1);
  CHECK(count("use", "not_enough_items") == 1);
  CHECK(!count("use", "completed"));
}
