#include "coffer/ledger/lane_of.hpp"

#include <algorithm>

#include "support/catch.hpp"

namespace ledger_lane_of_test {

using namespace coffer;

TEST_CASE("every logical lane has a key that hashes into it") {
  for (std::size_t lane = 0; lane < ledger::logical_lanes; ++lane) {
    CHECK(ledger::lane_of(user_id{ledger::lane_keys[lane]}) == lane);
  }
}

TEST_CASE("consecutive users spread evenly over the lanes") {
  std::array<int, ledger::logical_lanes> users{};
  for (std::int64_t id = 1; id <= 32000; ++id) {
    ++users[ledger::lane_of(user_id{id})];
  }
  const auto [least, most] = std::minmax_element(users.begin(), users.end());
  CHECK(*least > 850);
  CHECK(*most < 1150);
}

}  // namespace ledger_lane_of_test
