#include "coffer/cache/doubtful_versions.hpp"

#include "support/catch.hpp"

namespace cache_doubtful_versions_test {

using namespace coffer;
using namespace std::chrono_literals;

namespace {

using due = std::vector<std::pair<user_id, version>>;

const cache::doubtful_versions::time start{1h};
constexpr user_id a{1};
constexpr user_id b{2};
constexpr user_id c{3};

}  // namespace

TEST_CASE("a doubt forbids what is older than its version, until that has been seen or the user was settled") {
  cache::doubtful_versions d{10, 3600s, 300s};
  CHECK(!d.forbids(a, version{0}));
  d.add(a, version{6}, start);
  CHECK(d.forbids(a, version{5}));
  CHECK(!d.forbids(a, version{6}));
  CHECK(!d.forbids(b, version{5}));
  d.note(a, version{5});
  CHECK(d.forbids(a, version{5}));
  d.add(a, version{4}, start);
  CHECK(d.forbids(a, version{5}));
  d.note(a, version{7});
  CHECK(d.size() == 0);
  d.add(a, version{6}, start);
  d.settle(a);
  d.settle(b);
  CHECK(!d.forbids(a, version{5}));
}

TEST_CASE("fences are due when half of their life has passed, those that failed at once") {
  cache::doubtful_versions d{10, 3600s, 300s};
  d.add(a, version{1}, start);
  d.add(b, version{2}, start + 10s);
  CHECK(!d.has_due(start + 149s));
  CHECK(d.take_due(start + 155s, 9) == due{{a, version{1}}});
  CHECK(!d.has_due(start + 155s));
  CHECK(d.take_due(start + 310s, 1) == due{{b, version{2}}});
  CHECK(d.take_due(start + 310s, 1) == due{{a, version{1}}});
  CHECK(d.fence_failed(b));
  CHECK(!d.fence_failed(c));
  CHECK(d.take_due(start + 310s, 9) == due{{b, version{2}}});
  CHECK(d.take_due(start + 310s, 9).empty());
}

TEST_CASE("a doubt that nothing ends is dropped in the end") {
  cache::doubtful_versions d{10, 600s, 300s};
  d.add(a, version{1}, start);
  CHECK(d.take_due(start + 599s, 9).size() == 1);
  CHECK(d.take_due(start + 900s, 9).empty());
  CHECK(d.size() == 0);
}

TEST_CASE("when there is no room for another doubt, everybody is doubtful for as long as its fence lasts") {
  cache::doubtful_versions d{1, 3600s, 300s};
  d.add(a, version{1}, start);
  d.add(a, version{2}, start);
  CHECK(!d.everybody(start));
  d.add(b, version{1}, start + 1s);
  CHECK(d.everybody(start + 300s));
  CHECK(!d.everybody(start + 301s));
  CHECK(d.size() == 1);
}

}  // namespace cache_doubtful_versions_test
