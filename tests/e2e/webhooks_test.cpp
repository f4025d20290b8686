// Webhooks against real servers and receivers: everything that was committed is sent, signed, in each user's order.
#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "coffer/net/tls.hpp"
#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/parallel.hpp"
#include "support/shop.hpp"
#include "support/tls_link.hpp"
#include "support/webhook_receiver.hpp"

using namespace coffer;
using namespace std::chrono_literals;

namespace {

/// Receivers of tests are on this machine.
test::environment local(test::environment more = {}) {
  more.emplace("COFFER_WEBHOOK_ALLOW_PRIVATE", "on");
  return more;
}

struct hook {
  std::int64_t id = 0;
  std::string secret;
  std::string path;
};

/// Makes a webhook with these further members of the body.
hook make_hook(test::http_client& client, const std::string& url, const std::string& more = {}) {
  const auto made = client.post("/webhooks", fmt::format(R"({{"url":"{}"{}}})", url, more));
  INFO(made.body);
  REQUIRE(made.status == 201);
  const std::int64_t id = made.json()["id"].integer();
  return {id, made.json()["secret"].text(), fmt::format("/webhooks/{}", id)};
}

/// The versions that a receiver was sent of each user, in the order of the requests.
std::map<std::int64_t, std::vector<std::int64_t>> versions_in(const std::vector<test::webhook_request>& requests) {
  std::map<std::int64_t, std::vector<std::int64_t>> by_user;
  for (const test::webhook_request& each : requests) {
    const auto event = test::json_value::parse(each.body);
    if (event.contains("user_id")) {
      by_user[event["user_id"].integer()].push_back(event["version"].integer());
    }
  }
  return by_user;
}

bool has(const test::webhook_receiver& receiver, std::size_t count, std::chrono::seconds limit = 20s) {
  return test::eventually(limit, [&] { return receiver.count() >= count; });
}

std::set<std::string> ids_in(const std::vector<test::webhook_request>& requests) {
  std::set<std::string> ids;
  for (const test::webhook_request& each : requests) {
    ids.insert(each.id);
  }
  return ids;
}

/// Every version up to `last` was sent, however often.
bool was_told_all(const test::webhook_receiver& receiver, std::int64_t user, std::int64_t first, std::int64_t last) {
  const std::set<std::string> ids = ids_in(receiver.requests());
  for (std::int64_t v = first; v <= last; ++v) {
    if (!ids.contains(fmt::format("{}-{}", user, v))) {
      return false;
    }
  }
  return true;
}

}  // namespace

TEST_CASE("events reach a webhook signed, in each user's order, once") {
  test::shop s{local()};
  const test::webhook_receiver receiver;
  const test::webhook_receiver failures;
  const hook all = make_hook(s.client, receiver.url());
  const hook failed = make_hook(s.client, failures.url(), R"(,"types":["purchase.failed"],"description":"fraud")");
  constexpr std::size_t users = 8;
  constexpr int each = 40;
  std::vector<std::int64_t> buyers;
  for (std::size_t i = 0; i < users; ++i) {
    buyers.push_back(test::make_user(s.client, 100));
  }
  test::parallel(users, [&](std::size_t i) {
    auto client = s.server.client();
    for (int n = 0; n < each; ++n) {
      if (test::buy(client, buyers[i], s.product, 1).status != 201) {
        throw std::runtime_error{"a purchase was refused"};
      }
    }
  });
  REQUIRE(test::buy(s.client, buyers[0], s.product, 999).status == 402);
  // For each user the creation, the deposit and the purchases.
  constexpr std::size_t expected = users * (each + 2);
  REQUIRE(has(receiver, expected));
  REQUIRE(has(failures, 1));
  std::this_thread::sleep_for(300ms);  // for what is too much
  const auto requests = receiver.requests();
  CHECK(requests.size() == expected);
  for (const test::webhook_request& one : requests) {
    REQUIRE(one.signature == test::webhook_signature(all.secret, one));
    REQUIRE(test::json_value::parse(one.body)["id"].text() == one.id);
  }
  for (const auto& [user, versions] : versions_in(requests)) {
    INFO(user);
    REQUIRE(versions.size() == each + 2);
    for (std::size_t v = 0; v < versions.size(); ++v) {
      REQUIRE(versions[v] == static_cast<std::int64_t>(v));
    }
  }
  // The body is what the feed says.
  const auto feed = s.client.get("/events?limit=1000").json();
  const auto& items = feed["items"].elements();
  const auto first = std::ranges::find_if(items, [&](const auto& e) { return e["id"].text() == requests.front().id; });
  REQUIRE(first != items.end());
  CHECK(test::json_value::parse(requests.front().body) == *first);
  REQUIRE(failures.count() == 1);
  CHECK(test::json_value::parse(failures.requests()[0].body)["type"].text() == "purchase.failed");
  CHECK(s.client.get(failed.path).json()["types"].size() == 1);
  CHECK(s.server.metric(R"(coffer_webhook_attempts_total{outcome="accepted"})") == expected + 1);
  CHECK(s.server.metric("coffer_webhook_relay") == 1);

  // Both secrets sign after a rotation, and a test says what the receiver answered.
  const auto rotated = s.client.post(all.path + "/rotate-secret", "");
  REQUIRE(rotated.status == 200);
  const std::string secret = rotated.json()["secret"].text();
  CHECK(secret != all.secret);
  const auto tested = s.client.post(all.path + "/test", "");
  REQUIRE(tested.status == 200);
  CHECK(tested.json()["is_accepted"].boolean());
  CHECK(tested.json()["status"].integer() == 204);
  const test::webhook_request last = receiver.requests().back();
  CHECK(test::json_value::parse(last.body)["type"].text() == "webhook.test");
  CHECK(last.signature == test::webhook_signature(secret, last) + " " + test::webhook_signature(all.secret, last));
  CHECK(s.client.get(all.path).body.find("whsec") == std::string::npos);
}

TEST_CASE("a webhook that fails rests and goes on without a gap") {
  test::shop s{local()};
  std::atomic<int> mode{0};
  const test::webhook_receiver receiver{[&](const test::webhook_request&, std::size_t) {
    switch (mode.load()) {
      case 1:
        return test::webhook_reply{.status = 500};
      case 2:
        return test::webhook_reply{.status = 302, .location = "http://127.0.0.1:1/"};
      default:
        return test::webhook_reply{};
    }
  }};
  const test::webhook_receiver other;
  const hook failing = make_hook(s.client, receiver.url());
  make_hook(s.client, other.url());
  mode = 1;
  for (int i = 0; i < 60; ++i) {
    REQUIRE(s.buy(1).status == 201);
  }
  REQUIRE(has(other, 60, 5s));  // it is not delayed
  REQUIRE(has(receiver, 5));
  REQUIRE(test::eventually(10s, [&] { return !s.client.get(failing.path).json()["failing_since"].is_null(); }));
  CHECK(receiver.count() < 30);
  CHECK(s.client.get(failing.path + "/deliveries?status=retrying").json()["items"][0]["last_status"].integer() == 500);
  mode = 2;
  const std::size_t before = receiver.count();
  REQUIRE(has(receiver, before + 1));
  mode = 0;
  // As if it had failed for a while: what it did not accept then comes at once.
  test::sql_session sql{s.db.url()};
  sql.query("update webhooks set failing_since = failing_since - interval '1 minute' where failing_since is not null");
  REQUIRE(test::eventually(60s, [&] { return was_told_all(receiver, s.user, 2, 61); }, 50ms));
  REQUIRE(test::eventually(
      20s,
      [&] {
        const auto now = s.client.get(failing.path).json();
        return now["failing_since"].is_null() && now["retrying"].integer() == 0;
      },
      50ms));
  CHECK(s.client.get(failing.path).json()["is_active"].boolean());
}

TEST_CASE("a webhook that is gone is switched off, and goes on where it was") {
  test::shop s{local()};
  std::atomic<bool> gone = true;
  const test::webhook_receiver receiver{
      [&](const test::webhook_request&, std::size_t) { return test::webhook_reply{.status = gone ? 410 : 200}; }};
  const hook made = make_hook(s.client, receiver.url());
  REQUIRE(s.buy(1).status == 201);
  REQUIRE(test::eventually(10s, [&] { return !s.client.get(made.path).json()["is_active"].boolean(); }));
  CHECK(s.client.get(made.path).json()["inactive_reason"].text() == "gone");
  CHECK(s.server.metric(R"(coffer_webhooks_switched_off_total{reason="gone"})") == 1);
  CHECK(test::eventually(5s, [&] { return s.server.metric(R"(coffer_webhooks{state="switched_off"})") == 1; }));
  REQUIRE(s.buy(1).status == 201);
  REQUIRE(s.buy(1).status == 201);
  gone = false;
  const std::size_t before = receiver.count();
  const auto on = s.client.patch(made.path, R"({"is_active":true})");
  REQUIRE(on.status == 200);
  CHECK(on.json()["inactive_reason"].is_null());
  REQUIRE(has(receiver, before + 3));
  CHECK(was_told_all(receiver, s.user, 2, 4));

  // After five days without success the same.
  REQUIRE(s.client.patch(made.path, R"({"description":"x"})").status == 200);
  test::sql_session sql{s.db.url()};
  sql.query("update webhooks set failing_since = now() - interval '5 days 1 minute'");
  REQUIRE(test::eventually(10s, [&] { return !s.client.get(made.path).json()["is_active"].boolean(); }));
  CHECK(s.client.get(made.path).json()["inactive_reason"].text() == "failing");
  // Where events behind its place are gone, it says so, and begins with the oldest there is.
  sql.query(
      "update webhooks set is_active = true, inactive_reason = null, failing_since = null;"
      "update webhook_places set positions = array_fill(0, array[cardinality(positions)]), revision = revision + 1;"
      "delete from event_log e where position = 1 and exists"
      " (select 1 from event_log where stream = e.stream and position = 2)");
  REQUIRE(test::eventually(10s, [&] { return !s.client.get(made.path).json()["is_active"].boolean(); }));
  CHECK(s.client.get(made.path).json()["inactive_reason"].text() == "cursor_expired");
  const std::size_t count = receiver.count();
  REQUIRE(s.client.patch(made.path, R"({"is_active":true})").status == 200);
  REQUIRE(has(receiver, count + 1));
}

TEST_CASE("webhooks reach no private address") {
  test::shop s;
  for (const std::string url :
       {"http://example.com/", "https://127.0.0.1/", "https://10.1.2.3/x", "https://[::1]:8443/", "https://localhost/",
        "https://169.254.169.254/latest", "https://[::ffff:192.168.0.1]/", "https://0x7f.1/", "https://2130706433/",
        "ftp://example.com/", "https://user@example.com/", "https://example.com/#part", "example.com", "https:///x",
        "https://[fd00::1]/", "https://100.64.0.1/"}) {
    INFO(url);
    const auto refused = s.client.post("/webhooks", fmt::format(R"({{"url":"{}"}})", url));
    CHECK(refused.status == 422);
    CHECK(refused.json()["errors"][0]["pointer"].text() == "#/url");
  }
  // A name that leads there passes as a text, and is stopped when it is called.
  const test::webhook_receiver receiver;
  test::sql_session sql{s.db.url()};
  const hook made = make_hook(s.client, "https://hooks.example/");
  for (const std::string name : {"127.0.0.1", "localhost", "0"}) {
    INFO(name);
    sql.query(fmt::format("update webhooks set url = 'https://{}:{}/'", name, receiver.port()));
    const auto tested = s.client.post(made.path + "/test", "");
    REQUIRE(tested.status == 200);
    CHECK_FALSE(tested.json()["is_accepted"].boolean());
    CHECK(tested.json()["status"].is_null());
    CHECK(tested.json()["error"].text() == "the host has an address that is not public");
  }
  REQUIRE(s.buy(1).status == 201);
  REQUIRE(test::eventually(
      10s, [&] { return s.server.metric(R"(coffer_webhook_attempts_total{outcome="forbidden"})").value_or(0) >= 1; }));
  CHECK(receiver.count() == 0);
}

TEST_CASE("a delivery that is refused again and again is dead, and comes again when asked for") {
  test::shop s{local()};
  std::atomic<bool> refuses = true;
  const std::string poison = fmt::format("{}-2", s.user);
  const test::webhook_receiver receiver{[&](const test::webhook_request& r, std::size_t) {
    return test::webhook_reply{.status = r.id == poison && refuses ? 400 : 200};
  }};
  const hook made = make_hook(s.client, receiver.url());
  test::sql_session sql{s.db.url()};
  const auto deliveries = [&](const std::string& status) {
    const auto page = s.client.get(made.path + "/deliveries?status=" + status);
    REQUIRE(page.status == 200);
    return page.json()["items"];
  };
  for (int i = 0; i < 3; ++i) {
    REQUIRE(s.buy(1).status == 201);
  }
  REQUIRE(test::eventually(10s, [&] { return deliveries("retrying").size() == 1; }));
  REQUIRE(test::eventually(10s, [&] { return was_told_all(receiver, s.user, 2, 4); }));
  CHECK(deliveries("retrying")[0]["event_id"].text() == poison);
  // The second attempt comes by itself; the others are not waited for.
  REQUIRE(test::eventually(15s, [&] { return deliveries("retrying")[0]["attempts"].integer() == 2; }, 50ms));
  sql.query("update webhook_deliveries set attempts = 9, next_attempt_at = now()");
  REQUIRE(test::eventually(10s, [&] { return deliveries("dead").size() == 1; }));
  CHECK(deliveries("dead")[0]["attempts"].integer() == 10);
  CHECK(deliveries("dead")[0]["next_attempt_at"].is_null());
  CHECK(test::eventually(10s, [&] { return s.server.metric(R"(coffer_webhook_deliveries{state="dead"})") == 1; }));
  refuses = false;
  REQUIRE(s.client.post(made.path + "/replay", R"({"dead":true})").status == 202);
  REQUIRE(test::eventually(10s, [&] { return s.client.get(made.path + "/deliveries").json()["items"].size() == 0; }));

  // A replay by time and by cursor sends what was accepted before, with the same ids.
  const std::size_t before = receiver.count();
  const auto all = R"({"from":"2020-01-01T00:00:00Z","to":"2100-01-01T00:00:00Z"})";
  REQUIRE(s.client.post(made.path + "/replay", all).status == 202);
  const std::size_t events = s.client.get("/events").json()["items"].size();
  REQUIRE(has(receiver, before + events));
  REQUIRE(test::eventually(10s, [&] { return !s.client.get(made.path).json()["is_replaying"].boolean(); }));
  const std::string cursor = s.client.get("/events?limit=2").json()["next_cursor"].text();
  REQUIRE(s.client.post(made.path + "/replay", fmt::format(R"({{"after":"{}"}})", cursor)).status == 202);
  REQUIRE(has(receiver, before + events + events - 2));
  std::this_thread::sleep_for(1500ms);
  CHECK(receiver.count() == before + events + events - 2);
  const auto nothing = R"({"from":"2020-01-01T00:00:00Z","to":"2020-01-02T00:00:00Z"})";
  REQUIRE(s.client.post(made.path + "/replay", nothing).status == 202);
  REQUIRE(test::eventually(10s, [&] { return !s.client.get(made.path).json()["is_replaying"].boolean(); }));
  CHECK(receiver.count() == before + events + events - 2);
  for (const std::string wrong :
       {R"({})", R"({"from":"2020-01-01T00:00:00Z"})", R"({"dead":false})", R"({"after":"x","dead":true})"}) {
    INFO(wrong);
    CHECK(s.client.post(made.path + "/replay", wrong).status == 422);
  }
  CHECK(s.client.post(made.path + "/replay", R"({"after":"x"})").code() == "invalid_cursor");
}

TEST_CASE("receivers that hang, never end or are not trusted are cut off") {
  const test::temporary_folder folder;
  const test::certificate_files trusted = test::make_certificate(folder, "localhost");
  const test::certificate_files strange = test::make_certificate(folder, "strange");
  test::shop s{local({{"COFFER_WEBHOOK_CA", trusted.certificate}})};
  const test::webhook_receiver endless{
      [](const test::webhook_request&, std::size_t) { return test::webhook_reply{.status = 200, .endless = true}; }};
  const test::webhook_receiver slow{
      [](const test::webhook_request&, std::size_t) { return test::webhook_reply{.delay = 1h}; }};
  const test::webhook_receiver secure{[](const test::webhook_request&, std::size_t) { return test::webhook_reply{}; },
                                      net::tls_context::for_server(trusted.certificate, trusted.key)};
  const test::webhook_receiver forged{[](const test::webhook_request&, std::size_t) { return test::webhook_reply{}; },
                                      net::tls_context::for_server(strange.certificate, strange.key)};
  const auto test_of = [&](const std::string& url) {
    const hook made = make_hook(s.client, url);
    const auto said = s.client.post(made.path + "/test", "");
    REQUIRE(said.status == 200);
    return said.json();
  };
  const auto without_end = test_of(endless.url());
  CHECK(without_end["is_accepted"].boolean());
  CHECK(without_end["body"].text().size() == 1024);
  const auto hanging = test_of(slow.url());
  CHECK_FALSE(hanging["is_accepted"].boolean());
  CHECK(hanging["error"].text().find("timed out") != std::string::npos);
  CHECK(test_of(fmt::format("https://localhost:{}/", secure.port()))["is_accepted"].boolean());
  const auto not_trusted = test_of(fmt::format("https://localhost:{}/", forged.port()));
  CHECK_FALSE(not_trusted["is_accepted"].boolean());
  CHECK(not_trusted["error"].text().find("certificate") != std::string::npos);
  CHECK(forged.count() == 0);
  CHECK_FALSE(test_of("http://127.0.0.1:1/")["is_accepted"].boolean());
  std::string complaint;
  try {
    const test::server_process refused{s.db, local({{"COFFER_WEBHOOK_CA", strange.key}})};
  } catch (const std::runtime_error& e) {
    complaint = e.what();
  }
  CHECK(complaint.find("cannot be read as PEM certificates") != std::string::npos);
}

TEST_CASE("only one of two servers sends, and the other goes on when it dies") {
  test::shop s{local(), 1'000'000};
  test::server_process second{s.db, local()};
  test::server_process bystander{s.db, local({{"COFFER_RELAY", "off"}})};
  const test::webhook_receiver receiver;
  const hook made = make_hook(s.client, receiver.url());
  std::atomic<bool> over = false;
  std::atomic<std::int64_t> bought = 0;
  auto other = bystander.client();
  std::jthread load{[&] {
    while (!over) {
      if (test::buy(other, s.user, s.product, 1).status == 201) {
        ++bought;
      }
      std::this_thread::sleep_for(2ms);
    }
  }};
  test::server_process* const servers[] = {&s.server, &second};
  const auto relays = [](const test::server_process& one) { return one.metric("coffer_webhook_relay").value_or(0); };
  for (int i = 0; i < 3; ++i) {
    REQUIRE(test::eventually(30s, [&] { return relays(s.server) + relays(second) == 1; }, 50ms));
    test::server_process& sends = *servers[relays(s.server) == 1 ? 0 : 1];
    REQUIRE(has(receiver, receiver.count() + 20));
    i == 2 ? static_cast<void>(sends.stop()) : sends.kill();
    sends.restart();
  }
  over = true;
  load.join();
  const std::int64_t last = test::buy(other, s.user, s.product, 1).json()["version"].integer();
  REQUIRE(test::eventually(40s, [&] { return was_told_all(receiver, s.user, 2, last); }, 50ms));
  // The first time that each event came was in the user's order.
  const auto requests = receiver.requests();
  std::set<std::string> seen;
  std::int64_t next = 2;
  for (const test::webhook_request& each : requests) {
    if (seen.insert(each.id).second) {
      REQUIRE(each.id == fmt::format("{}-{}", s.user, next));
      ++next;
    }
  }
  CHECK(relays(bystander) == 0);
  CHECK(s.client.get(made.path).json()["retrying"].integer() == 0);
}

TEST_CASE("what happens behind a change of a webhook's types is sent by them") {
  test::shop s{local()};
  const test::webhook_receiver receiver;
  const hook made = make_hook(s.client, receiver.url(), R"(,"types":["use.completed"])");
  std::this_thread::sleep_for(1500ms);  // it is followed
  for (const std::string types : {R"(["purchase.completed"])", R"(["grant.completed"])", "null"}) {
    REQUIRE(s.client.patch(made.path, fmt::format(R"({{"types":{}}})", types)).status == 200);
    REQUIRE(s.buy(1).status == 201);
  }
  // What comes behind a change in the other direction may still be sent.
  REQUIRE(test::eventually(10s, [&] {
    const std::set<std::string> ids = ids_in(receiver.requests());
    return ids.contains(fmt::format("{}-2", s.user)) && ids.contains(fmt::format("{}-4", s.user));
  }));
}

TEST_CASE("a webhook that is switched off is sent nothing more at once, and later what it missed") {
  test::shop s{local()};
  const test::webhook_receiver receiver;
  const hook h = make_hook(s.client, receiver.url());
  const std::int64_t buyer = test::make_user(s.client, 1'000'000);
  std::atomic<bool> ended = false;
  std::atomic<std::int64_t> bought = 0;
  std::jthread load{[&] {
    auto client = s.server.client();
    while (!ended) {
      bought += test::buy(client, buyer, s.product, 1).status == 201 ? 1 : 0;
    }
  }};
  const bool began = has(receiver, 20);
  const int switched = s.client.patch(h.path, R"({"is_active":false})").status;
  std::this_thread::sleep_for(400ms);  // what was read before is sent yet
  const std::size_t before = receiver.count();
  const std::int64_t bought_before = bought;
  std::this_thread::sleep_for(1500ms);
  const std::size_t sent = receiver.count() - before;
  ended = true;
  load.join();
  CHECK(began);
  CHECK(switched == 200);
  CHECK(bought > bought_before);
  CHECK(sent == 0);
  REQUIRE(s.client.patch(h.path, R"({"is_active":true})").status == 200);
  CHECK(test::eventually(20s, [&] { return was_told_all(receiver, buyer, 0, bought + 1); }));
}

TEST_CASE("there are no more webhooks than their limit") {
  test::shop s{local()};
  std::vector<hook> made;
  for (int i = 0; i < 16; ++i) {
    made.push_back(make_hook(s.client, fmt::format("http://127.0.0.1:1/{}", i), R"(,"is_active":false)"));
  }
  CHECK(s.client.post("/webhooks", R"({"url":"http://127.0.0.1:1/"})").code() == "too_many_webhooks");
  CHECK(s.client.get("/webhooks").json()["items"].size() == 16);
  const auto gone = s.client.request("DELETE", made[0].path, test::key("d"));
  REQUIRE(gone.status == 200);
  CHECK(test::replayed(s.client.request("DELETE", made[0].path, test::key("d"))));
  CHECK(s.client.get(made[0].path).code() == "webhook_not_found");
  for (const std::string route : {"", "/test", "/rotate-secret", "/replay"}) {
    INFO(route);
    const auto missing = route.empty() ? s.client.patch(made[0].path, R"({"is_active":true})")
                                       : s.client.post(made[0].path + route, R"({"dead":true})");
    CHECK(missing.code() == "webhook_not_found");
  }
  CHECK(s.client.get(made[0].path + "/deliveries").code() == "webhook_not_found");
  CHECK(s.client.request("DELETE", made[0].path).code() == "webhook_not_found");
  // A repetition shows the same one without its secret.
  const auto first = s.client.post("/webhooks", R"({"url":"http://127.0.0.1:1/"})", test::key("k"));
  const auto again = s.client.post("/webhooks", R"({"url":"http://127.0.0.1:1/"})", test::key("k"));
  REQUIRE(test::replayed(again));
  CHECK(again.json()["id"] == first.json()["id"]);
  CHECK(again.json()["secret"].is_null());
  for (const auto& [body, pointer] : std::vector<std::pair<std::string, std::string>>{
           {R"({"url":"http://127.0.0.1:1/","types":[]})", "#/types"},
           {R"({"url":"http://127.0.0.1:1/","types":["purchase"]})", "#/types"},
           {R"({"url":"http://127.0.0.1:1/","types":"purchase.completed"})", "#/types"},
           {R"({"types":["use.completed"]})", "#/url"},
           {R"({"url":7})", "#/url"}}) {
    INFO(body);
    const auto refused = s.client.post("/webhooks", body);
    CHECK(refused.status == 422);
    CHECK(refused.json()["errors"][0]["pointer"].text() == pointer);
  }
}
