// Folding the sales counters: no sum changes, whoever counts meanwhile.
#include <atomic>
#include <random>
#include <thread>

#include <fmt/format.h>

#include "coffer/store/sales_store.hpp"
#include "support/catch.hpp"
#include "support/database.hpp"
#include "support/parallel.hpp"
#include "support/run_task.hpp"

using namespace coffer;
using namespace std::chrono_literals;

namespace {

/// A database and a process's session in it.
struct folder {
  folder() {
    pg::options how;
    how.url = db.url();
    session = test::run_task(context, pg::connection::open(context.get_executor(), how, net::deadline_in(10s)));
  }

  /// How many of the closed periods there are could be folded; `gone` counts the rows that went.
  int fold(store::counted what) {
    int folded = 0;
    const auto until = net::deadline_in(30s);
    for (const store::closed_period& each :
         test::run_task(context, store::find_unfolded(*session, what, 1000, until))) {
      const auto dropped = test::run_task(context, store::fold(*session, what, each, until));
      folded += dropped.has_value() ? 1 : 0;
      gone += dropped.value_or(0);
    }
    return folded;
  }

  test::database db;
  asio::io_context context;
  std::unique_ptr<pg::connection> session;
  std::int64_t gone = 0;
};

constexpr const char* tables[] = {"sales_counters", "refunded_sales"};

store::counted counted_in(std::string_view table) {
  return table == tables[0] ? store::counted::sales : store::counted::refunded_sales;
}

std::string sums(test::database& db, const std::string& table) {
  return db.text(
      "select string_agg(row::text, ' ' order by row) from (select date_trunc('day', hour, 'UTC'),"
      " product_id, sum(purchases), sum(units), sum(revenue) from " +
      table + " group by 1, 2) as row");
}

}  // namespace

TEST_CASE("hours that are over are folded, and days that the best sellers do not reach back to") {
  const std::string table = GENERATE(from_range(std::begin(tables), std::end(tables)));
  folder f;
  // 5 lanes of 2 products in each hour of 12 days.
  f.db.query("insert into " + table +
             " (hour, product_id, lane, purchases, units, revenue) select date_trunc('hour', now()) - n * interval"
             " '1 hour', p, 10 * l, 1, n, l from generate_series(0, 287) n, generate_series(1, 2) p,"
             " generate_series(1, 5) l");
  const std::string before = sums(f.db, table);
  f.fold(counted_in(table));
  CHECK(sums(f.db, table) == before);
  const auto count = [&](const std::string& which) {
    return f.db.integer("select count(*) from " + table + " where " + which);
  };
  // This hour, and the last one while it is not long over, are left alone.
  CHECK(count("hour > now() - interval '1 hour' and lane = 0") == 0);
  CHECK(count("hour > now() - interval '1 hour'") == 10);
  CHECK(count("hour < now() - interval '3 hours' and lane <> 0") == 0);
  CHECK(
      count("hour < date_trunc('day', now(), 'UTC') - interval '8 days' and extract(hour from hour at time zone 'UTC')"
            " <> 0") == 0);
  CHECK(count("hour between date_trunc('hour', now()) - interval '7 days' and now() - interval '3 hours'") ==
        2 * (7 * 24 - 2));
  CHECK(f.gone > 2000);
  f.gone = 0;
  CHECK(f.fold(counted_in(table)) == 0);

  SECTION("what is counted there later is folded too") {
    f.db.query("insert into " + table +
               " (hour, product_id, lane, purchases, units, revenue) select date_trunc('hour', now()) - n * interval"
               " '1 hour', 1, 77, 1, 1, 9223372036854775807 from generate_series(5, 287, 141) n");
    const auto units = f.db.integer("select sum(units) from " + table);
    CHECK(f.fold(counted_in(table)) == 3);
    CHECK(f.gone == 3);
    CHECK(f.db.integer("select sum(units) from " + table) == units);
    // The revenue of a counter ends where 64 bits do.
    CHECK(f.db.integer("select count(*) from " + table + " where revenue = 9223372036854775807") == 3);
  }
}

TEST_CASE("a period that somebody counts in is left alone") {
  folder f;
  f.db.query(
      "insert into sales_counters (hour, product_id, lane, purchases, units, revenue) select date_trunc('hour', now())"
      " - interval '5 hours', 1, l, 1, 1, 1 from generate_series(1, 3) l");
  test::sql_session lane{f.db.url()};
  lane.query("begin");
  lane.query("update sales_counters set units = 100 where lane = 2");
  CHECK(f.fold(store::counted::sales) == 0);
  CHECK(f.db.integer("select count(*) from sales_counters") == 3);
  lane.query("commit");
  CHECK(f.fold(store::counted::sales) == 1);
  CHECK(f.db.text("select concat_ws(' ', lane, purchases, units) from sales_counters") == "0 3 102");
}

TEST_CASE("no sale is lost or doubled by folding while lanes count") {
  folder f;
  const std::string hour = f.db.text("select date_trunc('hour', now()) - interval '5 hours'");
  constexpr std::size_t lanes = 3;
  constexpr int batches = 150;
  std::atomic<std::size_t> busy{lanes};
  test::parallel(lanes + 1, [&](std::size_t i) {
    if (i == lanes) {
      while (busy > 0) {
        f.fold(store::counted::sales);
      }
      return;
    }
    test::sql_session lane{f.db.url()};
    for (int n = 0; n < batches; ++n) {
      lane.query("begin");
      lane.query(
          "insert into sales_counters as c (hour, product_id, lane, purchases, units, revenue)"
          " select $1, p, $2, 1, 2, 3 from generate_series(1, 4) p on conflict (hour, product_id, lane) do update set"
          " purchases = c.purchases + excluded.purchases, units = c.units + excluded.units,"
          " revenue = c.revenue + excluded.revenue",
          {hour, std::to_string(i + 1)});
      lane.query("commit");
    }
    --busy;
  });
  const auto total = static_cast<std::int64_t>(lanes) * batches * 4;
  CHECK(f.gone > 0);
  CHECK(f.db.text("select concat_ws(' ', sum(purchases), sum(units), sum(revenue)) from sales_counters") ==
        fmt::format("{} {} {}", total, 2 * total, 3 * total));
  f.fold(store::counted::sales);
  CHECK(f.db.integer("select count(*) from sales_counters") == 4);
}
