// The write path without HTTP: purchases pushed straight into a ledger with the server's defaults, in a closed loop.
// What the server is measured against: the most that its batches allow.
//
// usage: lane_driver DATABASE_URL SECONDS OUTSTANDING FIRST_USER LAST_USER PRODUCTS
//
// Prints one line of JSON. Every answer is waited for, so that `count` is exact.

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "coffer/app/lanes.hpp"
#include "coffer/app/settings.hpp"
#include "coffer/ledger/ledger.hpp"
#include "coffer/net/asio.hpp"

using namespace coffer;
using steady = std::chrono::steady_clock;

namespace {

struct workload {
  std::string database_url;
  std::chrono::seconds duration;
  int outstanding;
  std::int64_t first_user;
  std::int64_t last_user;
  std::int64_t products;
};

class driver {
 public:
  explicit driver(workload w) : work_{std::move(w)}, lanes_{make_lanes()} {}

  int run() {
    const steady::time_point began = steady::now();
    for (auto& each : lanes_.lanes()) {
      asio::co_spawn(context_, each.writer->run(), abort_on_failure);
    }
    end_ = began + work_.duration;
    for (int i = 0; i < work_.outstanding; ++i) {
      asio::co_spawn(context_, buy_until_the_end(), abort_on_failure);
    }
    context_.run();
    const double seconds = std::chrono::duration<double>(last_answer_ - began).count();
    fmt::print(R"({{"count":{},"refused":0,"errors":{},"seconds":{:.4f},"per_second":{:.1f}}})"
               "\n",
               bought_, failed_, seconds, static_cast<double>(bought_) / seconds);
    return failed_ == 0 ? 0 : 1;
  }

 private:
  static void abort_on_failure(const std::exception_ptr& failure) {
    if (failure) {
      std::rethrow_exception(failure);
    }
  }

  std::vector<ledger::ledger::owned_lane> make_lanes() {
    const app::settings defaults;
    std::vector<ledger::ledger::owned_lane> lanes;
    const auto count = static_cast<std::size_t>(defaults.lanes);
    for (std::size_t i = 0; i < count; ++i) {
      ledger::lane_options how;
      how.database.url = work_.database_url;
      how.max_batch = defaults.max_batch;
      how.queue_limit = defaults.lane_queue;
      how.number = static_cast<int>(i);
      how.lane_key = app::draw_lane_key(i, count);
      auto writer = std::make_unique<ledger::lane>(context_.get_executor(), std::move(how), [](auto, bool) {});
      lanes.push_back({context_.get_executor(), 0, std::move(writer)});
    }
    return lanes;
  }

  domain::command next_purchase() {
    domain::command c;
    c.kind = domain::transaction_kind::purchase;
    c.user = user_id{users_(random_)};
    c.product = product_id{products_(random_)};
    c.request_id = fmt::format("{:022}", ++requests_);
    return c;
  }

  net::task<> buy_until_the_end() {
    while (steady::now() < end_) {
      domain::command c = next_purchase();
      const net::deadline until = net::deadline_in(std::chrono::seconds{5});
      const domain::verdict answer = co_await lanes_.submit(std::move(c), until);
      ++(answer && answer->row.status == domain::transaction_status::completed ? bought_ : failed_);
      last_answer_ = steady::now();
    }
    if (++ended_ == work_.outstanding) {
      for (auto& each : lanes_.lanes()) {
        each.writer->stop();
      }
    }
  }

  workload work_;
  asio::io_context context_{1};
  ledger::ledger lanes_;
  std::minstd_rand random_{std::random_device{}()};
  std::uniform_int_distribution<std::int64_t> users_{work_.first_user, work_.last_user};
  std::uniform_int_distribution<std::int64_t> products_{1, work_.products};
  steady::time_point end_;
  steady::time_point last_answer_;
  std::int64_t requests_ = 0;
  std::int64_t bought_ = 0;
  std::int64_t failed_ = 0;
  int ended_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fputs("usage: lane_driver DATABASE_URL SECONDS OUTSTANDING FIRST_USER LAST_USER PRODUCTS\n", stderr);
    return 2;
  }
  workload w{argv[1],
             std::chrono::seconds{std::atoi(argv[2])},
             std::atoi(argv[3]),
             std::atoll(argv[4]),
             std::atoll(argv[5]),
             std::atoll(argv[6])};
  return driver{std::move(w)}.run();
}
