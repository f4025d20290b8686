#include "coffer/base/backoff.hpp"

#include "support/catch.hpp"

namespace base_backoff_test {

using namespace coffer;
using namespace std::chrono_literals;

TEST_CASE("attempts are spaced wider and wider up to the longest pause") {
  std::minstd_rand random{1};
  for (int round = 0; round < 2; ++round) {
    std::chrono::milliseconds::rep ceiling = 50;
    for (int attempts = 0; attempts < 40; ++attempts) {
      const auto wait = backoff(50ms, 1000ms, attempts, random).count();
      CHECK(wait >= ceiling / 2);
      CHECK(wait <= ceiling);
      ceiling = std::min<std::chrono::milliseconds::rep>(ceiling * 2, 1000);
    }
  }
}

}  // namespace base_backoff_test
