#include "coffer/app/daily_reset.hpp"

#include "support/catch.hpp"

namespace app_daily_reset_test {

using namespace coffer;
using namespace std::chrono_literals;

TEST_CASE("the next daily moment is today if it lies ahead, else tomorrow") {
  const timestamp noon = *from_rfc3339("2026-11-22T12:00:00Z");
  CHECK(app::next_daily(noon, 12h + 1min) == *from_rfc3339("2026-11-22T12:01:00Z"));
  CHECK(app::next_daily(noon, 12h) == *from_rfc3339("2026-11-23T12:00:00Z"));
  CHECK(app::next_daily(noon, 0min) == *from_rfc3339("2026-11-23T00:00:00Z"));
  CHECK(app::next_daily(*from_rfc3339("2026-12-31T23:59:59.999999Z"), 0min) == *from_rfc3339("2027-01-01T00:00:00Z"));
}

}  // namespace app_daily_reset_test
