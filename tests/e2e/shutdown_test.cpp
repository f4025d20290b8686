// SIGTERM while clients work: everything that was accepted is answered.
#include <atomic>
#include <thread>

#include "support/catch.hpp"
#include "support/parallel.hpp"
#include "support/server_process.hpp"
#include "support/shop.hpp"

using namespace coffer;

TEST_CASE("a server that is told to end answers every request it has received, and ends with 0") {
  test::database db;
  test::server_process server{db, {{"COFFER_THREADS", "2"}}};
  auto admin = server.client();
  const auto user = test::make_user(admin, 100'000'000);
  const auto product = test::make_product(admin, "consumable", 1);
  std::atomic<int> bought = 0;
  std::atomic<int> wrong = 0;
  std::atomic<bool> stopping = false;
  std::jthread stopper{[&] {
    while (bought < 200) {
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    stopping = true;
    server.signal(15);
  }};
  test::parallel(8, [&](std::size_t) {
    auto client = server.client();
    for (int i = 0; i < 100'000; ++i) {
      try {
        const auto answer = test::buy(client, user, product);
        (answer.status == 201 ? bought : wrong) += 1;
        if (answer.header("Connection") == "close") {
          return;
        }
      } catch (const test::http_failure&) {
        // The listener may be closed before this client's first request; a request on an open connection may not fail.
        wrong += stopping ? 0 : 1;
        return;
      }
    }
  });
  // Signal 0 only waits: a second SIGTERM would mean "at once".
  CHECK(server.stop(0) == 0);
  CHECK(wrong == 0);
  CHECK(db.integer("select count(*) from transactions where kind = 2") == bought);
  CHECK(test::audit(db).empty());
}
