#include "coffer/app/service_manager.hpp"

#include <unistd.h>

#include "coffer/net/task_group.hpp"
#include "support/catch.hpp"
#include "support/run_task.hpp"

namespace app_notify_test {

using namespace coffer;
using namespace std::chrono_literals;

TEST_CASE("a loop that does not turn keeps the watchdog silent until it turns again") {
  asio::io_context own{1};
  asio::io_context healthy{1};
  asio::io_context stuck{1};
  int signs = 0;
  app::loop_watch watch{own.get_executor(), {healthy.get_executor(), stuck.get_executor()}, 1ms, [&] { ++signs; }};
  net::task_group tasks{own.get_executor()};
  tasks.spawn("watch", watch.run());
  const auto turn = [&](bool stuck_turns) {
    for (int i = 0; i < 20; ++i) {
      own.run_for(2ms);
      healthy.restart();
      healthy.poll();
      if (stuck_turns) {
        stuck.restart();
        stuck.poll();
      }
    }
  };
  turn(true);
  const int before = signs;
  CHECK(before > 0);
  turn(false);
  const int during = signs;
  CHECK(during <= before + 1);  // the last answer may have been on its way
  turn(true);
  CHECK(signs > during);
  watch.stop();
  own.run_for(10ms);
}

TEST_CASE("a watchdog is for this process, with a socket and a time") {
  const auto of = [](const char* socket, const char* time, const char* pid) {
    return app::service_manager{[=](const char* name) -> std::optional<std::string> {
             const std::string_view wanted = name;
             const char* value = wanted == "NOTIFY_SOCKET" ? socket : wanted == "WATCHDOG_USEC" ? time : pid;
             return value == nullptr ? std::nullopt : std::optional<std::string>{value};
           }}
        .watchdog();
  };
  const std::string own = std::to_string(::getpid());
  CHECK(of("/s", "2000", nullptr) == 2ms);
  CHECK(of("/s", "2000", own.c_str()) == 2ms);
  CHECK(!of("/s", "2000", "1"));
  CHECK(!of(nullptr, "2000", nullptr));
  CHECK(!of("/s", "x", nullptr));
  CHECK(!of("/s", "0", nullptr));
}

}  // namespace app_notify_test
