// POST /grants/bulk: lines of an upload, each granted once, however often it is sent.
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/exchange_log.hpp"
#include "support/process.hpp"
#include "support/raw_request.hpp"
#include "support/shop.hpp"
#include "support/temporary_folder.hpp"

using namespace coffer;
using namespace std::chrono_literals;

namespace {

const test::header_list ndjson{{"Content-Type", "application/x-ndjson"}};

std::string credits(std::int64_t user, std::int64_t amount, const std::string& key) {
  return fmt::format(R"({{"user_id":{},"credits":{},"reason":"season gift","idempotency_key":"{}"}})", user, amount,
                     key) +
         "\n";
}

std::string units(std::int64_t user, std::int64_t product, std::int64_t quantity, const std::string& key) {
  return fmt::format(R"({{"user_id":{},"product_id":{},"quantity":{},"reason":"season gift","idempotency_key":"{}"}})",
                     user, product, quantity, key) +
         "\n";
}

/// The lines of an answer.
std::vector<test::json_value> lines_of(const std::string& body) {
  std::vector<test::json_value> all;
  for (std::size_t at = 0; at < body.size();) {
    const std::size_t end = body.find('\n', at);
    REQUIRE(end != std::string::npos);
    all.push_back(test::json_value::parse(std::string_view{body}.substr(at, end - at)));
    at = end + 1;
  }
  return all;
}

std::vector<test::json_value> upload(test::http_client& client, const std::string& body,
                                     const std::string& query = {}) {
  const auto answer = client.request("POST", "/grants/bulk" + query, ndjson, body);
  REQUIRE(answer.status == 200);
  CHECK(answer.header("Content-Type") == "application/x-ndjson");
  return lines_of(answer.body);
}

std::string summary(const test::json_value& last) {
  const auto& s = last["summary"];
  return fmt::format("{} lines, {} granted, {} replayed, {} failed, {}", s["lines"].integer(), s["granted"].integer(),
                     s["replayed"].integer(), s["failed"].integer(), s["complete"].boolean() ? "whole" : "torn");
}

std::string head_of(std::size_t size, const std::string& query = {}) {
  return test::raw_request("POST /grants/bulk" + query,
                           {{"Content-Type", "application/x-ndjson"}, {"Content-Length", std::to_string(size)}});
}

/// Lines of `width` bytes that are refused without the database.
std::string malformed(std::size_t lines, std::size_t width = 2) {
  const std::string line = "{}" + std::string(width - 2, ' ') + "\n";
  std::string body;
  for (std::size_t i = 0; i < lines; ++i) {
    body += line;
  }
  return body;
}

/// Sends all of an upload before it reads the answer, with sockets that hold little.
test::http_response send_then_read(test::http_client& client, const std::string& body, const std::string& query = {}) {
  client.connect();
  const int small = 64 * 1024;
  ::setsockopt(client.native(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  client.send_raw(head_of(body.size(), query));
  for (std::size_t at = 0; at < body.size(); at += 1000) {
    client.send_raw(std::string_view{body}.substr(at, 1000));
  }
  return client.read_response();
}

constexpr const char* in_files = R"(coffer_bulk_held_bytes{where="file"})";

/// Sends, on a thread of its own, until all is sent or the connection ends.
std::jthread sender(const test::http_client& client, std::string bytes) {
  return std::jthread{[fd = client.native(), bytes = std::move(bytes)](const std::stop_token& stop) {
    std::size_t sent = 0;
    while (sent < bytes.size() && !stop.stop_requested()) {
      pollfd on{fd, POLLOUT, 0};
      ::poll(&on, 1, 100);
      const ssize_t size = ::send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (size < 0 && errno != EAGAIN) {
        return;
      }
      sent += size > 0 ? static_cast<std::size_t>(size) : 0;
    }
  }};
}

/// As upload(), for bodies whose answers do not fit the sockets' buffers: reads while it sends.
std::vector<test::json_value> long_upload(test::http_client& client, const std::string& body,
                                          std::chrono::duration<double>* took = nullptr) {
  client.connect();
  const auto begin = std::chrono::steady_clock::now();
  const std::jthread sending = sender(client, head_of(body.size()) + body);
  const auto answer = client.read_response();
  if (took != nullptr) {
    *took = std::chrono::steady_clock::now() - begin;
  }
  REQUIRE(answer.status == 200);
  return lines_of(answer.body);
}

std::vector<std::int64_t> make_users(test::database& db, std::int64_t count) {
  db.query(
      "insert into users (id, username, email) select nextval('user_ids'), 'bulk' || n, 'bulk' || n || '@example.com' "
      "from generate_series(1, $1::bigint) n",
      {std::to_string(count)});
  db.query("insert into usernames (username, user_id) select username, id from users where username like 'bulk%'");
  db.query("insert into emails (email, user_id) select email, id from users where username like 'bulk%'");
  std::vector<std::int64_t> ids;
  const auto last = db.integer("select max(id) from users");
  for (std::int64_t i = 0; i < count; ++i) {
    ids.push_back(last - count + 1 + i);
  }
  return ids;
}

/// Grants of one credit each, user by user in turn.
std::string many(const std::vector<std::int64_t>& users, std::size_t lines) {
  std::string body;
  for (std::size_t i = 0; i < lines; ++i) {
    body += credits(users[i % users.size()], 1, fmt::format("gift-{}", i));
  }
  return body;
}

int verified(const test::database& db) { return test::run_coffer({"verify"}, {{"DATABASE_URL", db.url()}}).exit_code; }

std::int64_t granted_credits(test::database& db) {
  return db.integer("select coalesce(sum(balance), 0)::bigint from users where username like 'bulk%'");
}

std::int64_t journal_rows(test::database& db) { return db.integer("select count(*) from transactions"); }

}  // namespace

TEST_CASE("each line of an upload is a grant of its own, answered in order") {
  test::shop shop;
  const auto answers =
      upload(shop.client, credits(shop.user, 50, "a") + "\n" + units(shop.user, shop.product, 3, "b") +
                              credits(shop.user, -5000, "c") + "{\"user_id\":\n" + " \t\r\n" +
                              R"({"user_id":0,"credits":1,"product_id":1,"reason":"","extra":1})" + "\r\n" +
                              credits(999'999'999, 1, "d") + units(shop.user, shop.product, -1, "e"));
  REQUIRE(answers.size() == 8);
  CHECK(answers.back()["summary"]["omitted"] == 0);
  CHECK(answers[0]["line"] == 1);
  CHECK(answers[0]["status"] == 201);
  CHECK(answers[0]["receipt"]["balance"] == 1050);
  CHECK_FALSE(answers[0]["replayed"].boolean());
  CHECK(answers[1]["line"] == 3);
  CHECK(answers[1]["receipt"]["item"]["quantity"] == 3);
  CHECK(answers[2]["status"] == 402);
  CHECK(answers[2]["problem"]["code"] == "insufficient_funds");
  CHECK(answers[2]["transaction"]["status"] == "failed");
  CHECK(answers[3]["line"] == 5);
  CHECK(answers[3]["problem"]["code"] == "malformed_json");
  CHECK(answers[4]["line"] == 7);
  CHECK(answers[4]["status"] == 422);
  std::string pointers;
  for (const auto& e : answers[4]["problem"]["errors"].elements()) {
    pointers += e["pointer"].text() + " " + e["code"].text() + ", ";
  }
  for (const char* expected : {"#/user_id ", "#/reason ", "#/idempotency_key required", "#/extra "}) {
    CAPTURE(pointers, expected);
    CHECK(pointers.find(expected) != std::string::npos);
  }
  CHECK(answers[5]["problem"]["code"] == "user_not_found");
  CHECK(answers[6]["receipt"]["item"]["quantity"] == 2);
  CHECK(summary(answers[7]) == "7 lines, 3 granted, 0 replayed, 4 failed, whole");
  CHECK(test::balance_of(shop.client, shop.user) == 1050);
  CHECK(test::owned_units(shop.client, shop.user, shop.product) == 2);
  CHECK(test::audit(shop.db) == "");
  CHECK(verified(shop.db) == 0);
}

TEST_CASE("an upload sent again is replayed line by line, also under the single grant") {
  test::shop shop;
  const std::string body =
      credits(shop.user, 50, "a") + units(shop.user, shop.product, 2, "b") + credits(shop.user, -9000, "c");
  const auto first = upload(shop.client, body);
  const auto rows = journal_rows(shop.db);
  const auto again = upload(shop.client, body.substr(0, body.size() - 1));
  REQUIRE(again.size() == 4);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(again[i]["replayed"].boolean());
    CHECK(again[i]["status"] == first[i]["status"]);
  }
  CHECK(again[0]["receipt"] == first[0]["receipt"]);
  CHECK(again[2]["problem"] == first[2]["problem"]);
  CHECK(summary(first[3]) == "3 lines, 2 granted, 0 replayed, 1 failed, whole");
  CHECK(summary(again[3]) == "3 lines, 0 granted, 2 replayed, 1 failed, whole");
  const auto single = shop.client.post(fmt::format("/users/{}/grants", shop.user),
                                       R"({"credits":50,"reason":"season gift"})", test::key("a"));
  CHECK(single.status == 201);
  CHECK(single.header("Idempotent-Replayed") == "true");
  const auto other = upload(shop.client, credits(shop.user, 51, "a"));
  CHECK(other[0]["problem"]["code"] == "idempotency_key_reused");
  CHECK(journal_rows(shop.db) == rows);
}

TEST_CASE("a line that is too long ends the upload; what came before it is granted") {
  test::shop shop;
  const std::string longest = credits(shop.user, 1, "a");
  const std::string padded = longest.substr(0, longest.size() - 1);
  const auto fits = upload(shop.client, padded + std::string(16384 - padded.size(), ' ') + "\r\n");
  CHECK(summary(fits.back()) == "1 lines, 1 granted, 0 replayed, 0 failed, whole");
  const auto answers =
      upload(shop.client, credits(shop.user, 1, "b") + padded + std::string(16385 - padded.size(), ' ') + "\n" +
                              credits(shop.user, 1, "c"));
  REQUIRE(answers.size() == 3);
  CHECK(answers[0]["status"] == 201);
  CHECK(answers[1]["line"] == 2);
  CHECK(answers[1]["problem"]["code"] == "content_too_large");
  CHECK(summary(answers[2]) == "1 lines, 1 granted, 0 replayed, 0 failed, torn");
  CHECK(test::balance_of(shop.client, shop.user) == 1002);
}

TEST_CASE("only NDJSON without a key of its own is an upload, and one without lines is answered") {
  test::shop shop;
  CHECK(shop.client.post("/grants/bulk", "{}").status == 415);
  CHECK(shop.client.request("POST", "/grants/bulk").status == 415);
  test::header_list keyed = ndjson;
  keyed.emplace_back("Idempotency-Key", "k");
  CHECK(shop.client.request("POST", "/grants/bulk", keyed, "\n").code() == "invalid_idempotency_key");
  CHECK(summary(upload(shop.client, "").back()) == "0 lines, 0 granted, 0 replayed, 0 failed, whole");
  CHECK(summary(upload(shop.client, "\n\r\n").back()) == "0 lines, 0 granted, 0 replayed, 0 failed, whole");
  CHECK(shop.client.get("/grants/bulk").status == 405);
}

TEST_CASE("a client that sends everything before it reads finishes, however much there is to read") {
  test::shop shop;
  test::set_recorded(shop.server.port(), false);
  const std::size_t lines = 20'000;  // 14 MB of answers, and more to send than sockets hold
  const std::string body = malformed(lines, 400) + credits(shop.user, 5, "last");
  const auto answers = lines_of(send_then_read(shop.client, body).body);
  REQUIRE(answers.size() == lines + 2);
  CHECK(answers[lines - 1]["line"] == static_cast<std::int64_t>(lines));
  CHECK(answers[lines]["status"] == 201);
  CHECK(summary(answers.back()) == fmt::format("{} lines, 1 granted, 0 replayed, {} failed, whole", lines + 1, lines));
  CHECK(test::balance_of(shop.client, shop.user) == 1005);
  CHECK(shop.server.metric(in_files) == 0.0);
  CHECK(shop.server.metric(R"(coffer_bulk_held_bytes{where="memory"})") == 0.0);
}

TEST_CASE("answers wait for the end of the upload, in a file without a name, unless they are asked for at once") {
  const test::temporary_folder folder;
  test::shop shop{{{"COFFER_SPOOL_DIRECTORY", folder.path().string()}}};
  test::set_recorded(shop.server.port(), false);
  const bool streamed = GENERATE(false, true);
  const std::string begin = malformed(2000);
  const std::string end = credits(shop.user, 5, "last");
  test::http_client client = shop.server.client();
  client.connect();
  client.send_raw(head_of(begin.size() + end.size(), streamed ? "?answers=streamed" : "?answers=all") + begin);
  if (streamed) {
    pollfd answer{client.native(), POLLIN, 0};
    CHECK(::poll(&answer, 1, 10'000) == 1);
  } else {
    CHECK(test::eventually(10s, [&] { return shop.server.metric(in_files).value_or(0) > 0; }));
    pollfd answer{client.native(), POLLIN, 0};
    CHECK(::poll(&answer, 1, 100) == 0);
  }
  CHECK(std::filesystem::is_empty(folder.path()));
  client.send_raw(end);
  const auto answers = lines_of(client.read_response().body);
  CHECK(answers.size() == 2002);
  CHECK(summary(answers.back()) == "2001 lines, 1 granted, 0 replayed, 2000 failed, whole");
}

TEST_CASE("only failures are shown to who asks for them, and the others are counted") {
  test::shop shop;
  const auto answers = upload(
      shop.client, credits(shop.user, 1, "a") + "{}\n" + credits(shop.user, 1, "b") + credits(shop.user, -9000, "c"),
      "?answers=failures");
  REQUIRE(answers.size() == 3);
  CHECK(answers[0]["line"] == 2);
  CHECK(answers[1]["line"] == 4);
  CHECK(summary(answers[2]) == "4 lines, 2 granted, 0 replayed, 2 failed, whole");
  CHECK(answers[2]["summary"]["omitted"] == 2);
  const auto refused = shop.client.request("POST", "/grants/bulk?answers=none", ndjson, credits(shop.user, 1, "d"));
  CHECK(refused.status == 400);
  CHECK(refused.json()["errors"][0]["pointer"] == "answers");
}

TEST_CASE("answers beyond the room for them are counted, refusals last, and the upload is carried out") {
  test::shop shop{{{"COFFER_MAX_UPLOAD_ANSWERS", "1MiB"}}};
  test::set_recorded(shop.server.port(), false);
  shop.client.set_timeout(60s);
  const std::string good = many(make_users(shop.db, 100), 2400);  // some 1.05 MB of answers
  const auto answers = lines_of(send_then_read(shop.client, good + malformed(20) + good).body);
  const auto& s = answers.back()["summary"];
  CHECK(summary(answers.back()) == "4820 lines, 2400 granted, 2400 replayed, 20 failed, whole");
  CHECK(s["omitted"].integer() > 2400);
  CHECK(static_cast<std::int64_t>(answers.size()) == 4820 - s["omitted"].integer() + 1);
  CHECK(std::count_if(answers.begin(), answers.end(), [](const auto& a) { return a.contains("problem"); }) == 20);
  CHECK(shop.server.metric("coffer_bulk_answers_omitted_total") == static_cast<double>(s["omitted"].integer()));
  CHECK(granted_credits(shop.db) == 2400);
}

TEST_CASE("an upload whose answers cannot be written to a file is carried out, and its answers counted") {
  test::shop shop{{{"COFFER_SPOOL_DIRECTORY", "/proc/1/no such place"}}};
  test::set_recorded(shop.server.port(), false);
  const auto answers = lines_of(send_then_read(shop.client, malformed(5000)).body);
  CHECK(summary(answers.back()) == "5000 lines, 0 granted, 0 replayed, 5000 failed, whole");
  CHECK(answers.back()["summary"]["omitted"].integer() > 3000);
  CHECK(answers.size() > 300);
  CHECK(shop.server.metric("coffer_bulk_file_failures_total") == 1.0);
  CHECK(shop.server.wait_for_event("answers of an upload cannot be held in a file"));
}

TEST_CASE("more uploads at once than a thread serves are turned away") {
  test::shop shop{{{"COFFER_THREADS", "1"}}};
  std::vector<test::http_client> running;
  for (int i = 0; i < 2; ++i) {
    auto& client = running.emplace_back(shop.server.client());
    client.connect();
    client.send_raw(head_of(1000) + credits(shop.user, 1, fmt::format("open-{}", i)));
  }
  REQUIRE(test::eventually(10s, [&] { return test::balance_of(shop.client, shop.user) >= 1002; }));
  const auto refused = shop.client.request("POST", "/grants/bulk", ndjson, credits(shop.user, 1, "late"));
  CHECK(refused.status == 503);
  CHECK(refused.code() == "overloaded");
  CHECK(refused.header("Retry-After"));
  CHECK(shop.server.metric("coffer_bulk_uploads") == 2.0);
  running.clear();
  int status = 0;
  const auto answered = [&] {
    status = shop.client.request("POST", "/grants/bulk", ndjson, credits(shop.user, 1, "late")).status;
    return status != 503;
  };
  CHECK(test::eventually(10s, answered));
  CHECK(status == 200);
  CHECK(test::balance_of(shop.client, shop.user) == 1003);
}

TEST_CASE("many thousand lines are granted in bounded memory") {
  test::shop shop{{{"COFFER_THREADS", "2"}}};
  test::set_recorded(shop.server.port(), false);
  shop.client.set_timeout(120s);
  const char* wanted = std::getenv("COFFER_TEST_BULK_LINES");
  const std::size_t lines = wanted == nullptr ? 20'000 : std::stoul(wanted);
  const std::string body = many(make_users(shop.db, 2000), lines);
  REQUIRE(upload(shop.client, many({shop.user}, 200)).size() == 201);
  const auto before = test::resident_kib(shop.server.pid());
  std::chrono::duration<double> took{};
  const auto answers = long_upload(shop.client, body, &took);
  const auto grown = test::resident_kib(shop.server.pid()) - before;
  WARN(fmt::format("{} lines, {:.1f} MB: {:.2f} s, resident memory {} KiB and {} KiB more", lines,
                   static_cast<double>(body.size()) / 1e6, took.count(), before, grown));
  REQUIRE(answers.size() == lines + 1);
  for (std::size_t i = 0; i < lines; ++i) {
    REQUIRE(answers[i]["line"] == static_cast<std::int64_t>(i + 1));
  }
  CHECK(summary(answers.back()) == fmt::format("{0} lines, {0} granted, 0 replayed, 0 failed, whole", lines));
  if (test::memory_tells) {
    CHECK(grown < 16 * 1024);
  }
  CHECK(took < 60s);
  CHECK(granted_credits(shop.db) == static_cast<std::int64_t>(lines));
  CHECK(test::audit(shop.db) == "");
  CHECK(verified(shop.db) == 0);
}

TEST_CASE("an upload whose server or client is killed in the middle is sent again, and nothing is doubled") {
  test::shop shop;
  test::set_recorded(shop.server.port(), false);
  shop.client.set_timeout(60s);
  const bool server_dies = GENERATE(true, false);
  const std::size_t lines = 6000;
  const std::string body = many(make_users(shop.db, 300), lines);
  {
    test::http_client client = shop.server.client();
    client.connect();
    const std::jthread sending = sender(client, head_of(body.size(), "?answers=streamed") + body);
    REQUIRE(test::eventually(20s, [&] { return granted_credits(shop.db) >= 500; }, 1ms));
    if (server_dies) {
      shop.server.kill();
    } else {
      ::shutdown(client.native(), SHUT_RDWR);
    }
  }
  if (server_dies) {
    shop.server.restart();
    shop.client.close();
  }
  const auto answers = long_upload(shop.client, body);
  REQUIRE(answers.size() == lines + 1);
  const auto& s = answers.back()["summary"];
  CHECK(s["granted"].integer() + s["replayed"].integer() == static_cast<std::int64_t>(lines));
  CHECK(s["replayed"].integer() >= 500);
  CHECK(s["granted"].integer() > 0);
  CHECK(granted_credits(shop.db) == static_cast<std::int64_t>(lines));
  CHECK(test::audit(shop.db) == "");
  CHECK(verified(shop.db) == 0);
}

TEST_CASE("a stopping server answers the lines it has taken, says that more is missing, and ends with 0") {
  test::shop shop;
  const std::string begun = many(make_users(shop.db, 10), 100);
  test::http_client client = shop.server.client();
  client.connect();
  client.send_raw(head_of(begun.size() + 5000) + begun + R"({"user_id":)");
  REQUIRE(test::eventually(20s, [&] { return granted_credits(shop.db) >= 100; }, 1ms));
  auto exit_code = std::async(std::launch::async, [&] { return shop.server.stop(); });
  const auto answers = lines_of(client.read_response().body);
  REQUIRE(answers.size() == 102);
  CHECK(answers[100]["line"] == 101);
  CHECK(answers[100]["status"] == 503);
  CHECK(answers[100]["problem"]["code"] == "unavailable");
  CHECK(summary(answers[101]) == "100 lines, 100 granted, 0 replayed, 0 failed, torn");
  client.close();
  CHECK(exit_code.get() == 0);
  CHECK(test::audit(shop.db) == "");
}
