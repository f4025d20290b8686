// What an operator sees of requests: traces, slow ones, and what was decided.
#include <map>
#include <sstream>
#include <thread>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/json_value.hpp"
#include "support/process.hpp"
#include "support/shop.hpp"

using namespace coffer;

namespace {

/// The lines of requests in the log of a server that has ended, by their paths.
std::map<std::string, test::json_value> request_lines(const test::server_process& server) {
  std::map<std::string, test::json_value> found;
  std::istringstream lines{server.log()};
  for (std::string text; std::getline(lines, text);) {
    auto line = test::json_value::parse(text);
    if (line.contains("path")) {
      found.insert_or_assign(line["path"].text(), std::move(line));
    }
  }
  return found;
}

/// How wide a line is on a terminal, without what colours it.
std::size_t columns(const std::string& line) {
  std::size_t wide = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\x1B') {
      i = line.find('m', i);
    } else if (line[i] != '\r') {
      ++wide;
    }
  }
  return wide;
}

}  // namespace

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
  // On a busy machine those before it are slow as well.
  const auto request = shop.server.wait_for_event("slow request", std::chrono::seconds{10}, "/purchase");
  REQUIRE(request.has_value());
  CHECK((*request)["route"] == "/products/{product_id}/purchase");
  CHECK((*request)["status"] == 201);
  const std::string id = (*request)["request_id"].text();
  const auto batch = shop.server.wait_for_event("slow batch", std::chrono::seconds{10}, id);
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

TEST_CASE("the line of a request has what is known of it, and nothing that is not") {
  test::shop shop{{{"COFFER_LOG_LEVEL", "debug"}}, 3};
  const std::string purchases = fmt::format("/products/{}/purchase", shop.product);
  CHECK(shop.buy(5).status == 402);
  CHECK(shop.client.get("/nowhere").status == 404);
  CHECK(shop.client.get("/livez").status == 200);
  CHECK(shop.client.get("/products").status == 200);
  CHECK(shop.server.stop() == 0);
  auto lines = request_lines(shop.server);
  const auto& refused = lines.at(purchases);
  CHECK(refused["level"] == "info");
  CHECK(refused["code"] == "insufficient_funds");
  CHECK(refused["user_id"] == shop.user);
  CHECK(refused["method"] == "POST");
  CHECK(refused["status"] == 402);
  CHECK(refused["peer"] == "127.0.0.1");
  CHECK(lines.at("/nowhere")["code"] == "not_found");
  CHECK(lines.at("/livez")["level"] == "debug");
  for (const auto& [path, line] : lines) {
    CAPTURE(path);
    for (const char* absent : {"key", "player", "trace_id"}) {
      CHECK(!line.contains(absent));
    }
    CHECK(line["route"].text().size() > 1);
  }
  CHECK(!lines.at("/products").contains("user_id"));
  CHECK(!lines.at("/products").contains("code"));
  // As written: a number with three decimals.
  const std::string log = shop.server.log();
  for (std::size_t at = log.find("\"duration_ms\":"); at != std::string::npos;
       at = log.find("\"duration_ms\":", at + 1)) {
    const std::string number = log.substr(at + 14, log.find(',', at) - at - 14);
    CAPTURE(number);
    CHECK(number.size() - number.find('.') == 4);
  }
}

TEST_CASE("probes leave no line at level info") {
  test::shop shop{{{"COFFER_LOG_LEVEL", "info"}}};
  for (const char* path : {"/livez", "/readyz", "/healthz"}) {
    CHECK(shop.client.get(path).status == 200);
  }
  CHECK(shop.client.get("/products").status == 200);
  CHECK(shop.server.stop() == 0);
  auto lines = request_lines(shop.server);
  CHECK(lines.contains("/products"));
  for (const char* path : {"/livez", "/readyz", "/healthz"}) {
    CHECK(!lines.contains(path));
  }
}

TEST_CASE("a server whose log nobody reads any more serves on, and counts what it could not write") {
  test::database db;
  // The server's stdout is a pipe whose reader leaves after the first line.
  test::server_process server{db, {}, {"bash", "-c", "exec 3>&1; exec \"$@\" > >(head -n 1 >&3)", "bash"}};
  auto client = server.client();
  const auto drops = [&] {
    CHECK(client.get("/products").status == 200);
    return server.metric("coffer_log_lines_dropped_total").value_or(0) > 0;
  };
  CHECK(test::eventually(std::chrono::seconds{10}, drops));
  CHECK(client.get("/products").status == 200);
  CHECK(server.stop() == 0);
}

TEST_CASE("on a terminal a request is one row of text with a coloured level, unless colours are not wanted") {
  test::database db;
  const bool coloured = GENERATE(true, false);
  test::environment env{{"DATABASE_URL", db.url()},        {"REDIS_URL", "none"},
                        {"COFFER_LISTEN", "127.0.0.1:0"},  {"COFFER_ADMIN_LISTEN", "none"},
                        {"NO_COLOR", coloured ? "" : "1"}, {"TERM", "xterm"}};
  // script(1) gives the server a terminal.
  test::process terminal{{"script", "-qec", "exec '" + test::coffer_binary() + "' serve", "/dev/null"}, env};
  const auto listening = terminal.wait_for_line({"listening"}, std::chrono::seconds{20});
  REQUIRE(listening.has_value());
  const std::string mark = "address=127.0.0.1:";
  const std::string port = listening->substr(listening->find(mark) + mark.size());
  test::http_client client{static_cast<std::uint16_t>(std::stoul(port))};
  const std::int64_t user = test::make_user(client, 1000);
  const std::int64_t product = test::make_product(client, "consumable", 1);
  CHECK(test::buy(client, user, product).status == 201);
  const std::string path = fmt::format("/products/{}/purchase", product);
  for (const auto& parts :
       {std::vector<std::string>{"listening"}, {"POST " + path + " 201", fmt::format("user_id={}", user)}}) {
    const auto line = terminal.wait_for_line(parts, std::chrono::seconds{10});
    REQUIRE(line.has_value());
    CAPTURE(*line);
    CHECK(columns(*line) <= 100);
    CHECK((line->find("\x1B[32minfo \x1B[0m") != std::string::npos) == coloured);
    CHECK((line->find('\x1B') != std::string::npos) == coloured);
    CHECK(line->substr(12, 1) == "Z");
  }
  terminal.signal(15);
  terminal.wait(std::chrono::seconds{20});
}

TEST_CASE("credits that transactions move are counted once, by kind and direction") {
  test::shop shop;  // a deposit of 1000
  const auto moved = [&shop](const char* kind, const char* direction) {
    return shop.server.metric(fmt::format(R"(coffer_credits_total{{direction="{}",kind="{}"}})", direction, kind));
  };
  const std::string user = fmt::format("/users/{}", shop.user);
  REQUIRE(shop.buy(5, "bought").status == 201);  // 2
  REQUIRE(shop.buy(5, "bought").status == 201);  // a replay
  REQUIRE(shop.buy(900).status == 201);          // 3
  REQUIRE(shop.buy(900).status == 402);
  REQUIRE(test::use(shop.client, shop.user, shop.product).status == 201);
  REQUIRE(shop.client.post(user + "/transactions/2/refund", R"({"reason":"x","quantity":2})").status == 201);
  REQUIRE(shop.client.post(user + "/grants", R"({"credits":30,"reason":"x"})", test::key("g")).status == 201);
  REQUIRE(shop.client.post(user + "/grants", R"({"credits":-4,"reason":"x"})", test::key("t")).status == 201);
  CHECK(moved("deposit", "in") == 1000.0);
  CHECK(moved("purchase", "out") == 905.0);
  CHECK(moved("refund", "in") == 2.0);
  CHECK(moved("grant", "in") == 30.0);
  CHECK(moved("grant", "out") == 4.0);
  CHECK(!moved("use", "in"));
  CHECK(test::balance_of(shop.client, shop.user) == 1000 - 905 + 2 + 30 - 4);
}

TEST_CASE("the stock of limited products on sale is shown, and of those that are none any more it is not") {
  test::shop shop{{{"COFFER_STOCK_REFRESH", "100ms"}}};
  const auto patch = [&shop](const char* change) {
    REQUIRE(shop.client.patch(fmt::format("/products/{}", shop.product), change).status == 200);
  };
  const std::string series = fmt::format(R"(coffer_product_stock{{product_id="{}"}})", shop.product);
  const auto becomes = [&](std::optional<double> wanted) {
    return test::eventually(std::chrono::seconds{10}, [&] { return shop.server.metric(series) == wanted; });
  };
  patch(R"({"stock":7})");
  CHECK(becomes(7.0));
  CHECK(shop.server.metric("coffer_limited_products") == 1.0);
  REQUIRE(shop.buy(3).status == 201);
  CHECK(becomes(4.0));
  patch(R"({"stock":null})");
  CHECK(becomes(std::nullopt));
  CHECK(shop.server.metric("coffer_limited_products") == 0.0);
}
