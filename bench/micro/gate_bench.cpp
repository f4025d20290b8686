// What it costs to know a sender and to count a request.
#include <benchmark/benchmark.h>

#include "coffer/auth/authenticator.hpp"
#include "coffer/limit/address_subject.hpp"

namespace {

using namespace coffer;

void known_key(benchmark::State& state) {
  auth::authenticator_options how;
  how.required = true;
  auth::authenticator door{how};
  const std::string key = auth::make_key(auth::key_kind::live);
  std::vector<auth::key_record> records(100);
  for (std::size_t i = 0; i < records.size(); ++i) {
    records[i].id = static_cast<std::int64_t>(i) + 1;
    records[i].digest = sha256(i == 0 ? key : auth::make_key(auth::key_kind::live));
    records[i].scopes = auth::everything;
  }
  door.ring().replace(std::make_shared<const auth::key_set>(records, auth::key_set{}));
  const std::string header = "Bearer " + key;
  const auto now = auth::key_ring::clock::now();
  for (auto _ : state) {
    benchmark::DoNotOptimize(door.check(header, 1, now));
  }
}
BENCHMARK(known_key);

/// The three counts of one purchase: user, key and address.
void three_limits(benchmark::State& state) {
  limit::limiter_options how;
  how.by_class[static_cast<std::size_t>(limit::route_class::purchase)] =
      limit::parse_policies("user:1000000000/1s,key:1000000000/1s,address:1000000000/1s").value();
  limit::limiter limits{how};
  const std::string peer = "192.168.17.4";
  std::uint64_t user = 0;
  for (auto _ : state) {
    const auto now = limit::clock::now();
    const auto take = [&](limit::dimension by, limit::subject of) {
      benchmark::DoNotOptimize(limits.take({.what = limit::route_class::purchase, .by = by, .of = of}, now));
    };
    take(limit::dimension::key, {.high = 0, .low = 3});
    take(limit::dimension::address, limit::address_subject(peer));
    take(limit::dimension::user, {.high = 0, .low = ++user % 100000});
  }
}
BENCHMARK(three_limits);

/// One count that is shared: a thousand users, each at the pace of the quota, and every 10 ms what is due is told.
void shared_limit(benchmark::State& state) {
  limit::limiter_options how;
  how.by_class[static_cast<std::size_t>(limit::route_class::purchase)] = limit::parse_policies("user:80/1s").value();
  how.shared = true;
  limit::limiter limits{how};
  limit::clock::time_point now = limit::clock::now();
  std::uint64_t user = 0;
  std::size_t told = 0;
  for (auto _ : state) {
    now += std::chrono::nanoseconds{12500};
    benchmark::DoNotOptimize(limits.take(
        {.what = limit::route_class::purchase, .by = limit::dimension::user, .of = {.high = 0, .low = ++user % 1000}},
        now));
    if (user % 800 == 0) {
      while (limits.has_due()) {
        for (const limit::report& each : limits.due(256, now)) {
          const limit::allowance leased{.leased = each.wanted};
          limits.settle(each, leased, now);
          ++told;
        }
      }
    }
  }
  state.counters["told"] = benchmark::Counter(static_cast<double>(told), benchmark::Counter::kAvgIterations);
}
BENCHMARK(shared_limit);

}  // namespace
BENCHMARK_MAIN();
