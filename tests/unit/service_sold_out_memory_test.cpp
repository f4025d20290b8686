#include "coffer/service/sold_out_memory.hpp"

#include "support/catch.hpp"

namespace service_sold_out_memory_test {

using namespace coffer;
using service::sold_out_memory;
using namespace std::chrono_literals;

namespace {

constexpr sold_out_memory::clock::time_point start{1000s};

}  // namespace

TEST_CASE("a sold-out product is remembered for its validity, others are not") {
  sold_out_memory m;
  CHECK_FALSE(m.contains(product_id{1}, start));
  m.remember(product_id{1}, m.changes(), start);
  CHECK(m.contains(product_id{1}, start));
  CHECK(m.contains(product_id{1}, start + sold_out_memory::validity - 1ns));
  CHECK_FALSE(m.contains(product_id{1}, start + sold_out_memory::validity));
  CHECK_FALSE(m.contains(product_id{2}, start));
  m.remember(product_id{1}, m.changes(), start + 5s);
  CHECK(m.contains(product_id{1}, start + 5s));
}

TEST_CASE("a changed product is forgotten, and what was learnt before the change stays forgotten") {
  sold_out_memory m;
  const auto before = m.changes();
  m.remember(product_id{1}, before, start);
  m.remember(product_id{2}, before, start);
  m.forget(product_id{1});
  CHECK_FALSE(m.contains(product_id{1}, start));
  CHECK(m.contains(product_id{2}, start));
  m.remember(product_id{1}, before, start);
  CHECK_FALSE(m.contains(product_id{1}, start));
  m.remember(product_id{1}, m.changes(), start);
  CHECK(m.contains(product_id{1}, start));
}

TEST_CASE("a full memory takes no product more until some have expired") {
  sold_out_memory m;
  constexpr auto most = static_cast<std::int64_t>(sold_out_memory::capacity);
  for (std::int64_t id = 1; id <= most; ++id) {
    m.remember(product_id{id}, m.changes(), start);
  }
  m.remember(product_id{most + 1}, m.changes(), start);
  CHECK(m.contains(product_id{most}, start));
  CHECK_FALSE(m.contains(product_id{most + 1}, start));
  const auto later = start + sold_out_memory::validity;
  m.remember(product_id{most + 1}, m.changes(), later);
  CHECK(m.contains(product_id{most + 1}, later));
}

}  // namespace service_sold_out_memory_test
