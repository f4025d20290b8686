// SIGTERM while clients work: everything that was accepted is answered.
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "coffer/http/limits.hpp"
#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/parallel.hpp"
#include "support/raw_request.hpp"
#include "support/server_process.hpp"
#include "support/shop.hpp"

using namespace coffer;
using namespace std::chrono_literals;

namespace {

using clock_type = std::chrono::steady_clock;

/// How a client uses its connections.
struct habit {
  const char* name;
  std::size_t at_once;                 ///< purchases that are sent in one piece
  bool keeps;                          ///< the connection, for as long as the server does
  std::chrono::milliseconds pause{0};  ///< before each piece
};

/// What became of one client's purchases.
struct outcome {
  int answered = 0;
  std::vector<std::string> unserved;  ///< keys: the connection ended without a byte of an answer, as it may
  std::vector<std::string> failures;  ///< what may not happen
};

/// A client that buys until it cannot connect any more, and knows what the server owes it.
class buyer {
 public:
  buyer(const test::shop& s, const habit& how, std::size_t number, const std::atomic<clock_type::time_point>& told,
        std::atomic<int>& bought)
      : shop_{s}, how_{how}, name_{fmt::format("{}-{}", how.name, number)}, told_{told}, bought_{bought} {}

  outcome run() {
    while (result_.failures.empty()) {
      auto client = shop_.server.client(20s);
      quiet_since_ = clock_type::now();
      try {
        client.connect();
      } catch (const test::http_failure& why) {
        if (!is_told()) {
          fail("", why.what());
        }
        break;
      }
      try {
        while (buy(client) && how_.keeps) {
        }
      } catch (const test::http_failure& why) {
        fail(keys_.front(), why.what());
      }
    }
    return std::move(result_);
  }

 private:
  [[nodiscard]] bool is_told() const { return told_.load() != clock_type::time_point::max(); }

  void fail(const std::string& key, const std::string& why) {
    result_.failures.push_back(fmt::format("{} {}: {}", name_, key, why));
  }

  std::string next_purchase() {
    keys_.push_back(fmt::format("{}-{}", name_, ++made_));
    const auto body = fmt::format(R"({{"user_id":{}}})", shop_.user);
    return test::raw_request(fmt::format("POST /products/{}/purchase", shop_.product),
                             {{"Idempotency-Key", keys_.back()}, {"Content-Type", "application/json"}}, body);
  }

  /// One piece of purchases and their answers. False when the connection is over.
  bool buy(test::http_client& client) {
    std::this_thread::sleep_for(how_.pause);
    keys_.clear();
    std::string bytes;
    while (keys_.size() < how_.at_once) {
      bytes += next_purchase();
    }
    const auto began = clock_type::now();
    bool sent = true;
    try {
      client.send_raw(bytes);
    } catch (const test::http_failure&) {
      sent = false;
    }
    if (const auto done = clock_type::now(); !sent || !is_answered(client)) {
      leave_unserved(done);
      return false;
    }
    for (const std::string& key : keys_) {
      const auto answer = client.read_response();
      result_.answered += answer.status == 201 ? 1 : 0;
      bought_ += answer.status == 201 ? 1 : 0;
      if (answer.status != 201) {
        fail(key, answer.head);
      }
      if (!client.connected() && key != keys_.back()) {
        fail(key, "the connection was ended although another request had come with this one");
        return false;
      }
    }
    quiet_since_ = began;
    return client.connected();
  }

  /// Waits for the first byte of an answer. False when the connection ends without one.
  static bool is_answered(const test::http_client& client) {
    pollfd waiting{client.native(), POLLIN, 0};
    if (::poll(&waiting, 1, 20'000) != 1) {
      throw test::http_failure{test::http_failure::reason::timeout, "no answer, and no end of the connection"};
    }
    char byte = 0;
    return ::recv(client.native(), &byte, 1, MSG_PEEK) == 1;
  }

  /// A server that ends closes a connection that has been quiet for its grace, and not before: a request that is sent
  /// later may meet the closing. Until then every request is owed an answer.
  void leave_unserved(clock_type::time_point sent) {
    const auto told = told_.load();
    if (told == clock_type::time_point::max() || sent < std::max(told, quiet_since_) + http::limits{}.drain_grace) {
      fail(keys_.front(), "the connection ended without an answer");
      return;
    }
    result_.unserved.insert(result_.unserved.end(), keys_.begin(), keys_.end());
  }

  const test::shop& shop_;
  const habit& how_;
  const std::string name_;
  const std::atomic<clock_type::time_point>& told_;
  std::atomic<int>& bought_;
  int made_ = 0;
  std::vector<std::string> keys_;       ///< of what was sent last
  clock_type::time_point quiet_since_;  ///< no later than the server thinks
  outcome result_;
};

/// Purchases in the journal with one of these keys.
std::int64_t count_of(test::database& db, const std::vector<std::string>& keys) {
  return db.integer("select count(*) from transactions where idempotency_key = any($1)",
                    {fmt::format("{{{}}}", fmt::join(keys, ","))});
}

}  // namespace

TEST_CASE("a server that is told to end answers every request it has received, and ends with 0") {
  test::shop s{{{"COFFER_THREADS", "2"}}, 100'000'000};
  const habit habits[] = {{"keeps", 1, true},
                          {"sends-ahead", 2, true},
                          {"comes-anew", 1, false},
                          {"pauses", 1, true, 40ms},
                          {"is-too-late", 1, true, http::limits{}.drain_grace + 200ms}};
  std::atomic<clock_type::time_point> told = clock_type::time_point::max();
  std::atomic<int> bought = 0;
  std::jthread stopper{[&] {
    [[maybe_unused]] const bool busy = test::eventually(20s, [&] { return bought >= 200; }, 1ms);
    told = clock_type::now();
    s.server.signal(15);
  }};
  const auto outcomes = test::parallel_map(
      15, [&](std::size_t number) { return buyer{s, habits[number % std::size(habits)], number, told, bought}.run(); });
  // Signal 0 only waits: a second SIGTERM would mean "at once".
  CHECK(s.server.stop(0) == 0);
  CHECK(bought >= 200);
  outcome all;
  for (const outcome& each : outcomes) {
    all.answered += each.answered;
    all.unserved.insert(all.unserved.end(), each.unserved.begin(), each.unserved.end());
    all.failures.insert(all.failures.end(), each.failures.begin(), each.failures.end());
  }
  CHECK(all.failures == std::vector<std::string>{});
  CHECK(count_of(s.db, all.unserved) == 0);
  CHECK(s.db.integer("select count(*) from transactions where kind = 2") == all.answered);
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("a server that ends is not ready, says so on connections that are open, and answers what hangs") {
  test::shop s{test::patient_settings()};
  test::held_row row{s.db, s.user};
  auto probe = s.server.client();
  CHECK(probe.get("/readyz").status == 200);
  auto held = std::async(std::launch::async, [&s] { return s.buy(); });
  REQUIRE(row.is_waited_for());
  // A request that has begun to arrive is waited for longer than a busy machine may take from here to its end.
  probe.send_raw("GET /readyz HTTP/1.1\r\n");
  s.server.signal(15);
  REQUIRE(s.server.wait_for_event("draining"));
  probe.send_raw("Host: h\r\n\r\n");
  const auto answer = probe.read_response();
  CHECK(answer.status == 503);
  CHECK(answer.json()["status"] == "draining");
  CHECK(answer.json()["message"] == "the server is shutting down");
  CHECK(probe.closed_within(5s));
  CHECK(held.wait_for(0s) == std::future_status::timeout);
  CHECK(s.server.running());
  row.release();
  const auto bought = held.get();
  CHECK(bought.status == 201);
  CHECK(bought.header("Connection") == "close");
  CHECK(s.server.stop(0) == 0);
  CHECK(s.db.integer("select count(*) from transactions where kind = 2") == 1);
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("a second SIGTERM ends the server at once, whatever hangs") {
  test::shop s{test::patient_settings()};
  test::held_row row{s.db, s.user};
  auto held = std::async(std::launch::async, [&s] {
    try {
      return s.buy().status;
    } catch (const test::http_failure&) {
      return 0;
    }
  });
  REQUIRE(row.is_waited_for());
  s.server.signal(15);
  REQUIRE(s.server.wait_for_event("draining"));
  CHECK(held.wait_for(200ms) == std::future_status::timeout);
  CHECK(s.server.running());
  const auto began = clock_type::now();
  CHECK(s.server.stop(15) == 130);
  CHECK(clock_type::now() - began < 1s);
  CHECK(held.get() == 0);
  row.release();
  CHECK(test::audit(s.db) == "");
}
