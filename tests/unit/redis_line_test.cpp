#include "coffer/redis/line.hpp"

#include <string>

#include "support/catch.hpp"

namespace redis_line_test {

using namespace coffer;
using namespace std::chrono_literals;

namespace {

using line = redis::line<std::string>;
const line::time start{1h};

line three() {
  line l;
  l.push("a", start + 1s);
  l.push("b", start + 2s);
  l.push("c", start + 3s);
  return l;
}

}  // namespace

TEST_CASE("replies go to commands in order") {
  line l = three();
  CHECK(l.take() == "a");
  CHECK(l.take() == "b");
  CHECK(l.take() == "c");
  CHECK(l.empty());
  CHECK(!l.next_expiry());
}

TEST_CASE("an expired command keeps its place, so that later replies stay in step") {
  line l = three();
  CHECK(!l.expire(start));
  CHECK(l.next_expiry() == start + 1s);
  CHECK(l.expire(start + 2s) == "a");
  CHECK(l.expire(start + 2s) == "b");
  CHECK(!l.expire(start + 2s));
  CHECK(l.size() == 3);
  CHECK(l.next_expiry() == start + 3s);
  CHECK(!l.take());
  l.push("d", start + 4s);
  CHECK(!l.take());
  CHECK(l.take() == "c");
  CHECK(l.take() == "d");
}

TEST_CASE("a line that is cleared ends the commands that were not abandoned") {
  line l = three();
  l.expire(start + 1s);
  CHECK(l.clear() == std::vector<std::string>{"b", "c"});
  CHECK(l.empty());
  CHECK(!l.expire(start + 1h));
  l.push("d", start);
  CHECK(l.take() == "d");
}

}  // namespace redis_line_test
