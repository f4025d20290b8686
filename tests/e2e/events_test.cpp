// GET /events against real servers: everything that was committed is told, once for each cursor, in each user's order.
#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <sstream>
#include <thread>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/shop.hpp"

using namespace coffer;
using namespace std::chrono_literals;

namespace {

std::string cursor_of(const test::http_response& page) {
  REQUIRE(page.status == 200);
  return page.json()["next_cursor"].text();
}

/// A reader that keeps its cursor, and holds what it is told against the versions that it knows.
class reader {
 public:
  explicit reader(std::string parameters) : parameters_{std::move(parameters)} {}

  /// How many events the next page has.
  std::size_t read(test::http_client& from) {
    const auto answer = from.get("/events?" + parameters_ + (cursor_.empty() ? std::string{} : "&after=" + cursor_));
    REQUIRE(answer.status == 200);
    const auto page = answer.json();
    cursor_ = page["next_cursor"].text();
    for (const auto& each : page["items"].elements()) {
      REQUIRE(ids.insert(each["id"].text()).second);
      if (each["type"].text() == "product.changed") {
        continue;
      }
      const std::int64_t user = each["user_id"].integer();
      REQUIRE(each["version"].integer() == next_[user]);
      ++next_[user];
    }
    return page["items"].size();
  }

  std::set<std::string> ids;

 private:
  std::string parameters_;
  std::string cursor_;
  std::map<std::int64_t, std::int64_t> next_;  ///< version by user
};

constexpr const char* all_types =
    "types=deposit.completed,purchase.completed,use.completed,refund.completed,grant.completed,deposit.failed,"
    "purchase.failed,use.failed,refund.failed,grant.failed,user.created,product.changed";

}  // namespace

TEST_CASE("events are what the other routes show, and only what happened") {
  test::shop s;
  const std::string user = fmt::format("/users/{}", s.user);
  REQUIRE(s.buy(2, "k").status == 201);
  REQUIRE(test::replayed(s.buy(2, "k")));
  REQUIRE(s.buy(999).status == 402);
  REQUIRE(s.client.patch(fmt::format("/products/{}", s.product), R"({"price":3,"stock":7})").status == 200);
  const auto product = s.client.get(fmt::format("/products/{}", s.product)).json();
  REQUIRE(s.client.patch("/products/999", R"({"price":3})").status == 404);
  REQUIRE(s.client.post("/users", R"({"username":"x","email":"y"})").status == 422);
  REQUIRE(s.buy(1).status == 201);

  const auto page = s.client.get("/events").json();
  std::vector<std::string> told;
  for (const auto& each : page["items"].elements()) {
    told.push_back(each["type"].text());
  }
  CHECK(told == std::vector<std::string>{"user.created", "deposit.completed", "product.changed", "purchase.completed",
                                         "product.changed", "purchase.completed"});
  const auto items = page["items"];
  CHECK(items[0]["id"].text() == fmt::format("{}-0", s.user));
  CHECK(items[0]["version"].integer() == 0);
  CHECK(items[0]["data"]["user"]["balance"].integer() == 0);
  CHECK(items[0]["data"]["user"]["username"] == s.client.get(user).json()["username"]);
  CHECK(items[3]["id"].text() == fmt::format("{}-2", s.user));
  CHECK(items[3]["user_id"].integer() == s.user);
  CHECK(items[3]["occurred_at"] == items[3]["data"]["transaction"]["created_at"]);
  CHECK(items[3]["data"]["transaction"] == s.client.get(user + "/transactions/2").json());
  CHECK(items[4]["product_id"].integer() == s.product);
  CHECK(items[4]["data"]["product"] == product);
  CHECK(items[4]["id"].text() != items[2]["id"].text());
  const auto failed = s.client.get("/events?types=purchase.failed").json();
  REQUIRE(failed["items"].size() == 1);
  CHECK(failed["items"][0]["data"]["transaction"]["reason"].text() == "insufficient_funds");

  // A page has the same events whenever it is read, and the feed goes on behind it.
  const std::string cursor = page["next_cursor"].text();
  CHECK(s.client.get("/events?after=" + cursor).json()["items"].size() == 0);
  REQUIRE(s.buy(1).status == 201);
  const auto more = s.client.get("/events?after=" + cursor);
  CHECK(more.json()["items"].size() == 1);
  CHECK(s.client.get("/events?after=" + cursor).body == more.body);
  CHECK(s.client.get("/events").json()["items"].size() == 7);
  CHECK(s.client.get("/events?after=latest").json()["items"].size() == 0);
  CHECK(cursor_of(s.client.get("/events?after=latest")) == cursor_of(more));
}

TEST_CASE("a page at the log's end is not kept for more: it would never end while more comes") {
  const test::shop s{{{"COFFER_THREADS", "1"}, {"COFFER_RELAY", "off"}}};
  auto client = s.server.client();
  const auto looks = [&] { return s.server.metric(R"(coffer_pg_acquire_seconds_count{pool="reads"})").value(); };
  double least = 99;
  for (int i = 0; i < 20; ++i) {  // what the server does by itself looks, too, now and then
    const double before = looks();
    REQUIRE(client.get("/events?limit=1000").json()["items"].size() > 0);
    least = std::min(least, looks() - before);
  }
  CHECK(least == 2);  // for the rows of the log, and for what they are about
}

TEST_CASE("what is wrong with a request for events is named") {
  test::shop s;
  const auto refused = [&s](const std::string& query) {
    const auto answer = s.client.get("/events?" + query);
    REQUIRE(answer.status == 400);
    const auto problem = answer.json();
    return answer.code() + (problem.contains("errors") ? " " + problem["errors"][0]["pointer"].text() + " " +
                                                             problem["errors"][0]["code"].text()
                                                       : std::string{});
  };
  CHECK(refused("after=nonsense") == "invalid_cursor");
  CHECK(refused("after=2-e0bc0251c00a") == "invalid_cursor");
  CHECK(refused("limit=0") == "invalid_parameter limit range");
  CHECK(refused("limit=1001") == "invalid_parameter limit range");
  CHECK(refused("wait=31") == "invalid_parameter wait range");
  CHECK(refused("types=purchase.completed,purchases") == "invalid_parameter types enum");
  CHECK(refused("cursor=x") == "invalid_parameter cursor unknown_parameter");
}

TEST_CASE("who waits is told as soon as another server has committed, and that is no slow request") {
  test::shop s{{{"COFFER_SLOW_REQUEST", "200ms"}}};
  const test::server_process other{s.db};
  auto writer = other.client();
  const std::string end = cursor_of(s.client.get("/events?after=latest"));
  const auto began = std::chrono::steady_clock::now();
  std::thread buys{[&] {
    std::this_thread::sleep_for(500ms);
    test::buy(writer, s.user, s.product, 1);
  }};
  const auto told = s.client.get("/events?wait=10&after=" + end);
  const auto took = std::chrono::steady_clock::now() - began;
  buys.join();
  CHECK(told.json()["items"].size() == 1);
  CHECK((took >= 500ms && took < 3s));
  // In vain.
  const auto nothing = s.client.get("/events?wait=1&types=grant.completed&after=" + end);
  CHECK(nothing.json()["items"].size() == 0);
  CHECK(nothing.json()["next_cursor"] == told.json()["next_cursor"]);
  CHECK(s.server.log().find("slow request") == std::string::npos);
}

TEST_CASE("a stream has a line for each event, says where to go on, and ends when nothing comes") {
  test::shop s;
  for (int i = 0; i < 450; ++i) {
    REQUIRE(s.buy(1).status == 201);
  }
  const auto stream = [&s](const std::string& query) {
    const auto answer = s.client.get("/events?" + query, {{"Accept", "application/x-ndjson"}});
    CHECK(answer.status == 200);
    CHECK(answer.header("Content-Type") == "application/x-ndjson");
    std::vector<test::json_value> lines;
    std::istringstream text{answer.body};
    for (std::string line; std::getline(text, line);) {
      lines.push_back(test::json_value::parse(line));
    }
    return lines;
  };
  const auto lines = stream("types=purchase.completed");
  std::size_t events = 0;
  std::vector<std::string> cursors;
  std::vector<std::size_t> events_before;
  for (const auto& line : lines) {
    if (line.contains("next_cursor")) {
      cursors.push_back(line["next_cursor"].text());
      events_before.push_back(events);
    } else {
      ++events;
      CHECK(line["version"].integer() == static_cast<std::int64_t>(events) + 1);
    }
  }
  CHECK(events == 450);
  REQUIRE(cursors.size() >= 3);
  CHECK(lines.back().contains("next_cursor"));
  const auto rest = stream("types=purchase.completed&after=" + cursors.front());
  CHECK(rest.front()["version"].integer() == static_cast<std::int64_t>(events_before.front()) + 2);
  CHECK(stream("after=" + cursors.back()).size() == 1);

  // With patience it goes on with what comes meanwhile.
  auto writer = s.server.client();
  std::thread buys{[&] {
    for (int i = 0; i < 3; ++i) {
      std::this_thread::sleep_for(400ms);
      test::buy(writer, s.user, s.product, 1);
    }
  }};
  std::size_t came = 0;
  for (const auto& line : stream("wait=1&after=" + cursors.back())) {
    came += line.contains("next_cursor") ? 0U : 1U;
  }
  buys.join();
  CHECK(came == 3);
}

TEST_CASE("a reader that takes its time costs the server a piece of the stream, whatever is behind it") {
  constexpr int rows = 600, events = 100;
  test::shop s;
  const std::string user = std::to_string(s.user);
  s.db.query(
      "insert into transactions (user_id, version, kind, status, quantity, amount, balance_after, request_id)"
      " select $1, n, 1, 2, 0, 0, 1000, 'many' from generate_series(2, 1 + $2::bigint) n",
      {user, std::to_string(rows * events)});
  s.db.query(
      "insert into event_log (stream, position, created_at, events, users, first_versions, counts)"
      " select 99, n, now(), $3::int, array[$1::bigint], array[2 + (n - 1) * $3::int], array[$3::int]"
      " from generate_series(1, $2::bigint) n",
      {user, std::to_string(rows), std::to_string(events)});
  s.client.get("/events?limit=1000&types=deposit.completed");
  const std::int64_t before = test::resident_kib(s.server.pid());
  auto reader = s.server.client(30s);
  reader.connect();
  reader.send_raw(
      "GET /events?types=deposit.completed HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/x-ndjson\r\n\r\n");
  std::this_thread::sleep_for(1s);
  const std::int64_t grown = test::resident_kib(s.server.pid()) - before;
  const auto answer = reader.read_response();
  const std::int64_t later = test::resident_kib(s.server.pid()) - before;
  CHECK(std::ranges::count(answer.body, '\n') > rows * events);
  CHECK(answer.body.size() > 20'000'000);
  if (test::memory_tells) {
    CHECK(grown < 8 * 1024);
    CHECK(later < 8 * 1024);
  }
}

TEST_CASE("where too many wait for events one more is refused, a stream ends, and nobody else is concerned") {
  constexpr std::size_t most = 256;  // of a thread
  test::shop s{{{"COFFER_THREADS", "1"}}};
  const std::string end = cursor_of(s.client.get("/events?after=latest"));
  std::vector<test::http_client> waiting;
  for (std::size_t i = 0; i < most; ++i) {
    waiting.push_back(s.server.client(30s));
    waiting.back().connect();
    waiting.back().send_raw("GET /events?wait=20&after=" + end + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  }
  CHECK(test::eventually(10s, [&] { return s.server.metric("coffer_event_readers_waiting") == most; }));
  const auto refused = s.client.get("/events?wait=1&after=" + end);
  CHECK((refused.status == 503 && refused.code() == "overloaded" && refused.header("Retry-After")));
  const auto stream = s.client.get("/events?wait=1&types=user.created", {{"Accept", "application/x-ndjson"}});
  CHECK((stream.status == 200 && std::ranges::count(stream.body, '\n') == 2));
  CHECK(s.client.get("/events").json()["items"].size() == 3);
  CHECK(s.server.metric("coffer_event_readers_refused_total") == 2);
  REQUIRE(s.buy(1).status == 201);
  for (test::http_client& each : waiting) {
    CHECK(each.read_response().json()["items"].size() == 1);
  }
}

TEST_CASE("a server that stops answers those who wait for events, and does not wait itself") {
  test::shop s;
  const std::string end = cursor_of(s.client.get("/events?after=latest"));
  auto waiting = s.server.client(20s);
  auto streaming = s.server.client(20s);
  test::http_response page, lines;
  std::thread one{[&] { page = waiting.get("/events?wait=30&after=" + end); }};
  std::thread two{[&] { lines = streaming.get("/events?wait=30&after=" + end, {{"Accept", "application/x-ndjson"}}); }};
  CHECK(test::eventually(10s, [&] { return s.server.metric("coffer_event_readers_waiting") == 2; }));
  const auto began = std::chrono::steady_clock::now();
  CHECK(s.server.stop() == 0);
  CHECK(std::chrono::steady_clock::now() - began < 5s);
  one.join();
  two.join();
  CHECK(page.json()["next_cursor"].text() == end);
  CHECK(lines.body == fmt::format("{{\"next_cursor\":\"{}\"}}\n", end));
}

TEST_CASE("two servers that are killed lose no event and make none up, and each user's come in order") {
  constexpr int users = 8, rounds = 6;
  test::database db;
  test::server_process one{db}, other{db};
  auto client = one.client();
  const std::int64_t product = test::make_product(client, "consumable", 1);
  std::vector<std::int64_t> all;
  for (int i = 0; i < users; ++i) {
    all.push_back(test::make_user(client, 20));
  }
  reader slow{std::string{all_types} + "&limit=7"};
  for (int round = 0; round < rounds; ++round) {
    std::atomic<bool> stop = false;
    std::vector<std::thread> buyers;
    for (const test::server_process* server : {&one, &other}) {
      for (int i = 0; i < 4; ++i) {
        buyers.emplace_back([&, server, i] {
          auto mine = server->client(2s);
          for (int n = 0; !stop; ++n) {
            try {
              const std::int64_t user = all[static_cast<std::size_t>(i + n) % all.size()];
              n % 3 == 0 ? test::deposit(mine, user, 3, test::unique_word("d")) : test::buy(mine, user, product);
            } catch (const test::http_failure&) {
              return;
            }
          }
        });
      }
    }
    for (int i = 0; i < 20; ++i) {
      slow.read(client);
    }
    (round % 2 == 0 ? other : one).kill();
    stop = true;
    for (std::thread& each : buyers) {
      each.join();
    }
    (round % 2 == 0 ? other : one).restart();
    client = one.client();
  }
  while (slow.read(client) > 0) {
  }
  // All that is in the journal, and nothing else.
  const std::int64_t journal = db.integer("select count(*) from transactions");
  const std::int64_t changes = db.integer("select count(*) from event_log where product is not null");
  CHECK(changes == 1);
  CHECK(std::ssize(slow.ids) == journal + users + changes);
  CHECK(journal > 100);
  CHECK(test::audit(db).empty());
  CHECK(test::run_coffer({"verify"}, {{"DATABASE_URL", db.url()}}).exit_code == 0);
}

TEST_CASE("events are kept as long as the operator says, and who comes too late is told so") {
  test::shop s{{{"COFFER_EVENT_RETENTION", "1h"}}};
  REQUIRE(s.buy(1).status == 201);
  REQUIRE(s.buy(1).status == 201);
  s.db.query("update event_log set created_at = created_at - interval '61 minutes'");
  const std::string early = cursor_of(s.client.get("/events?limit=1"));
  const std::string end = cursor_of(s.client.get("/events"));
  s.server.stop();
  s.server.restart();
  auto client = s.server.client();
  CHECK(test::eventually(10s, [&] { return s.server.metric("coffer_event_rows_dropped_total").value_or(0) >= 2; }));
  const auto expired = client.get("/events?after=" + early);
  CHECK((expired.status == 410 && expired.code() == "cursor_expired"));
  CHECK(client.get("/events?after=" + end).json()["items"].size() == 0);
  CHECK(client.get("/events?types=purchase.completed").json()["items"].size() == 1);

  // A backup from before the last purchases.
  REQUIRE(test::buy(client, s.user, s.product).status == 201);
  const std::string newest = cursor_of(client.get("/events?after=" + end));
  s.db.query(
      "delete from event_log where position = (select max(position) from event_log where stream > 0) and stream"
      " > 0");
  const auto ahead = client.get("/events?after=" + newest);
  CHECK((ahead.status == 409 && ahead.code() == "cursor_ahead"));
  // Also when as much has happened since.
  REQUIRE(test::buy(client, s.user, s.product).status == 201);
  CHECK(client.get("/events?after=" + newest).status == 409);
}
