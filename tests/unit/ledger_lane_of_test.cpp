#include "coffer/ledger/lane_of.hpp"

#include <algorithm>
#include <set>

#include "coffer/app/lanes.hpp"

#include "support/catch.hpp"

namespace ledger_lane_of_test {

using namespace coffer;

TEST_CASE("keys of counters hash into their lane, and processes draw different ones") {
  for (const std::size_t lanes : {1U, 2U, 5U, 32U}) {
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      std::set<std::int16_t> drawn;
      for (int process = 0; process < 20; ++process) {
        const std::int16_t key = app::draw_lane_key(lane, lanes);
        CHECK(key > 0);
        CHECK(ledger::ledger::lane_index(ledger::lane_of(user_id{key}), lanes) == lane);
        drawn.insert(key);
      }
      CHECK(drawn.size() > 15);
    }
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
