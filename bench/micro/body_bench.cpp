// What reading and checking the JSON body of a purchase costs.

#include <benchmark/benchmark.h>

#include <string>

#include "coffer/api/endpoints/purchase.hpp"

using namespace coffer;

namespace {

void read_body(benchmark::State& state, std::string_view text, bool acceptable) {
  std::string bytes;
  bytes.reserve(1024);
  for (auto _ : state) {
    bytes.assign(text);
    const result<api::purchase_body> body = api::purchase_schema().read(bytes);
    if (body.has_value() != acceptable) {
      state.SkipWithError("the body was not judged as expected");
      return;
    }
    benchmark::DoNotOptimize(body.has_value());
  }
}

BENCHMARK_CAPTURE(read_body, smallest, R"({"user_id":12345})", true);
BENCHMARK_CAPTURE(read_body, all_members, R"({"user_id":12345,"quantity":10,"expected_price":250})", true);
BENCHMARK_CAPTURE(read_body, two_violations, R"({"user_id":0,"quantity":"ten"})", false);

}  // namespace

BENCHMARK_MAIN();
