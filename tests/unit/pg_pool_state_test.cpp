#include "coffer/pg/pool_state.hpp"

#include "support/catch.hpp"

namespace pg_pool_state_test {

using namespace coffer;
using namespace std::chrono_literals;
using decision = pg::pool_state::decision;
using fate = pg::pool_state::fate;

namespace {

constexpr pg::pool_state::time start{1h};

pg::pool_limits limits_of(std::size_t size, std::size_t max_waiting = 10) {
  pg::pool_limits limits;
  limits.size = size;
  limits.max_waiting = max_waiting;
  limits.max_age = 1000s;
  limits.min_backoff = 100ms;
  limits.max_backoff = 1000ms;
  return limits;
}

pg::pool_stats stats_of(std::size_t idle, std::size_t leased, std::size_t connecting, std::size_t waiting) {
  return {idle, leased, connecting, waiting};
}

/// A pool whose caller has waited for a first connection, and has it.
std::size_t first_lease(pg::pool_state& state) {
  REQUIRE(state.arrive() == decision::wait);
  const auto slot = state.next_connect(start);
  REQUIRE(slot);
  REQUIRE(state.connected(*slot, start));
  REQUIRE(state.next_grant());
  return state.take_granted();
}

}  // namespace

TEST_CASE("the first caller waits for a connection that is made on demand") {
  pg::pool_state state{limits_of(2), 1};
  CHECK_FALSE(state.next_connect(start));
  CHECK(state.arrive() == decision::wait);
  CHECK_FALSE(state.next_grant());
  const auto slot = state.next_connect(start);
  REQUIRE(slot);
  CHECK_FALSE(state.next_connect(start));
  CHECK(state.stats() == stats_of(0, 0, 1, 1));
  CHECK(state.connected(*slot, start));
  CHECK(state.next_grant());
  CHECK_FALSE(state.next_grant());
  CHECK(state.take_granted() == *slot);
  CHECK(state.stats() == stats_of(0, 1, 0, 0));
  CHECK(state.give_back(*slot, true, start) == fate::kept);
  CHECK(state.stats() == stats_of(1, 0, 0, 0));
}

TEST_CASE("an idle connection is used at once, the one used last first") {
  pg::pool_state state{limits_of(2), 1};
  const std::size_t first = first_lease(state);
  const std::size_t second = first_lease(state);
  state.give_back(first, true, start);
  state.give_back(second, true, start);
  CHECK(state.arrive() == decision::use);
  CHECK(state.take() == second);
  CHECK(state.arrive() == decision::use);
  CHECK(state.take() == first);
}

TEST_CASE("a pool makes one connection per waiting caller and never more than its size") {
  pg::pool_state state{limits_of(3), 1};
  for (int i = 0; i < 5; ++i) {
    CHECK(state.arrive() == decision::wait);
  }
  CHECK(state.next_connect(start));
  CHECK(state.next_connect(start));
  CHECK(state.next_connect(start));
  CHECK_FALSE(state.next_connect(start));
  CHECK(state.stats() == stats_of(0, 0, 3, 5));
}

TEST_CASE("callers in line come before new ones") {
  pg::pool_state state{limits_of(1), 1};
  const std::size_t slot = first_lease(state);
  CHECK(state.arrive() == decision::wait);
  state.give_back(slot, true, start);
  CHECK(state.next_grant());
  // The woken caller has not come yet; its connection is not for others.
  CHECK(state.arrive() == decision::wait);
  CHECK_FALSE(state.next_grant());
  CHECK(state.take_granted() == slot);
  state.give_back(slot, true, start);
  CHECK(state.next_grant());
  CHECK(state.take_granted() == slot);
}

TEST_CASE("a line at its limit refuses") {
  pg::pool_state state{limits_of(1, 2), 1};
  const std::size_t slot = first_lease(state);
  CHECK(state.arrive() == decision::wait);
  CHECK(state.arrive() == decision::wait);
  CHECK(state.arrive() == decision::full);
  state.give_up();
  CHECK(state.arrive() == decision::wait);
  CHECK(state.arrive() == decision::full);
  state.give_back(slot, true, start);
  CHECK(state.next_grant());
  CHECK(state.stats().waiting == 1);
}

TEST_CASE("without room for a caller in line a pool refuses as soon as nothing is idle") {
  pg::pool_state state{limits_of(1, 0), 1};
  CHECK(state.arrive() == decision::full);
}

TEST_CASE("a broken connection makes room for a new one") {
  pg::pool_state state{limits_of(1), 1};
  const std::size_t slot = first_lease(state);
  CHECK(state.arrive() == decision::wait);
  CHECK_FALSE(state.next_connect(start));
  CHECK(state.give_back(slot, false, start) == fate::broken);
  CHECK_FALSE(state.next_grant());
  CHECK(state.next_connect(start));
}

TEST_CASE("a connection found dead at checkout makes room for a new one") {
  pg::pool_state state{limits_of(1), 1};
  const std::size_t slot = first_lease(state);
  state.give_back(slot, true, start);
  CHECK(state.arrive() == decision::use);
  state.bury(state.take());
  CHECK(state.stats() == stats_of(0, 0, 0, 0));
  CHECK(state.arrive() == decision::wait);
  CHECK(state.next_connect(start));
}

TEST_CASE("a connection is replaced between nine tenths of its age and all of it") {
  for (std::uint64_t seed = 1; seed < 50; ++seed) {
    pg::pool_state state{limits_of(1), seed};
    const std::size_t slot = first_lease(state);
    CHECK(state.give_back(slot, true, start + 899s) == fate::kept);
    CHECK(state.arrive() == decision::use);
    CHECK(state.give_back(state.take(), true, start + 1000s) == fate::expired);
    CHECK(state.stats() == stats_of(0, 0, 0, 0));
  }
}

TEST_CASE(
    "after a failed connect the pool pauses, longer each time, up to the limit, and by itself only while wanted") {
  for (std::uint64_t seed = 1; seed < 20; ++seed) {
    pg::pool_state state{limits_of(4), seed};
    auto now = start;
    CHECK(state.arrive() == decision::wait);
    CHECK_FALSE(state.retry_at(now));
    for (const auto longest : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms}) {
      const auto slot = state.next_connect(now);
      REQUIRE(slot);
      state.connect_failed(*slot, now);
      CHECK(state.failing());
      CHECK_FALSE(state.next_connect(now));
      const auto again = state.retry_at(now);
      REQUIRE(again);
      CHECK(*again - now >= longest / 2);
      CHECK(*again - now <= longest);
      CHECK_FALSE(state.next_connect(*again - 1ms));
      now = *again;
    }
    state.give_up();
    CHECK_FALSE(state.retry_at(now - 1ms));
    CHECK_FALSE(state.next_connect(now));
  }
}

TEST_CASE("attempts that fail together count once, and one attempt probes until the server is back") {
  pg::pool_state state{limits_of(3), 7};
  for (int i = 0; i < 3; ++i) {
    CHECK(state.arrive() == decision::wait);
  }
  const auto a = state.next_connect(start);
  const auto b = state.next_connect(start);
  const auto c = state.next_connect(start);
  REQUIRE((a && b && c));
  state.connect_failed(*a, start);
  state.connect_failed(*b, start + 1ms);
  state.connect_failed(*c, start + 2ms);
  const auto again = state.retry_at(start + 2ms);
  REQUIRE(again);
  CHECK(*again - start <= 100ms);
  const auto now = *again;
  const auto probe = state.next_connect(now);
  REQUIRE(probe);
  CHECK_FALSE(state.next_connect(now));
  CHECK(state.connected(*probe, now));
  CHECK_FALSE(state.failing());
  CHECK(state.next_grant());
  CHECK(state.next_connect(now));
  CHECK(state.next_connect(now));
}

TEST_CASE("a closed pool refuses, closes what is idle and what comes back") {
  pg::pool_state state{limits_of(3), 1};
  const std::size_t first = first_lease(state);
  const std::size_t second = first_lease(state);
  state.give_back(second, true, start);
  CHECK(state.close() == std::vector<std::size_t>{second});
  CHECK(state.is_closed());
  CHECK(state.arrive() == decision::closed);
  CHECK(state.give_back(first, true, start) == fate::closed);
  CHECK(state.stats() == stats_of(0, 0, 0, 0));
  CHECK(state.close().empty());
}

TEST_CASE("a pool closed while it connects drops the connection, and makes no more") {
  pg::pool_state state{limits_of(3), 1};
  CHECK(state.arrive() == decision::wait);
  CHECK(state.arrive() == decision::wait);
  const auto slot = state.next_connect(start);
  REQUIRE(slot);
  state.close();
  CHECK_FALSE(state.next_connect(start));
  CHECK_FALSE(state.connected(*slot, start));
  CHECK(state.stats() == stats_of(0, 0, 0, 0));
}

TEST_CASE("callers that have their turn get it although the pool is closed, those out of time may leave") {
  pg::pool_state state{limits_of(1), 1};
  const std::size_t slot = first_lease(state);
  CHECK(state.arrive() == decision::wait);
  CHECK(state.arrive() == decision::wait);
  state.give_back(slot, true, start);
  CHECK(state.next_grant());
  CHECK(state.close().empty());
  state.give_up();
  CHECK(state.take_granted() == slot);
  CHECK(state.give_back(slot, true, start) == fate::closed);
}

}  // namespace pg_pool_state_test
