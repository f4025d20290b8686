// What a batch of purchases costs in the server: deciding it, and encoding the statements that load and apply it.

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "coffer/domain/decide.hpp"
#include "coffer/store/batch_store.hpp"

using namespace coffer;

namespace {

constexpr std::int64_t products = 10;

/// `size` purchases by as many users, or by one.
class purchases {
 public:
  purchases(std::int64_t size, bool one_user) {
    for (std::int64_t i = 0; i < size; ++i) {
      domain::command c;
      c.user = user_id{one_user ? 1 : 1 + i * 37};
      c.product = product_id{1 + i % products};
      c.request_id = "AAAAAAAAAAAAAAAAAAAAAA";
      commands_.push_back(c);
      if (i == 0 || !one_user) {
        loaded_.wallets.push_back({.user = c.user, .balance = domain::credits{1'000'000'000}, .at = version{i + 1}});
      }
    }
    for (std::int64_t id = 1; id <= products; ++id) {
      loaded_.products.push_back({.id = product_id{id}, .price = domain::credits{1}});
    }
    for (const domain::command& c : commands_) {
      list.push_back(&c);
    }
    loaded_.sort();
  }

  /// As loaded: decide() changes its copy.
  [[nodiscard]] domain::batch_state state() const { return loaded_; }

  std::vector<const domain::command*> list;

 private:
  std::vector<domain::command> commands_;
  domain::batch_state loaded_;
};

void count_commands(benchmark::State& state) {
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * state.range(0));
}

void decide(benchmark::State& state) {
  const purchases batch{state.range(0), state.range(1) != 0};
  for (auto _ : state) {
    domain::batch_state loaded = batch.state();
    const domain::batch_effects effects = domain::decide(batch.list, loaded);
    if (effects.new_rows.size() != batch.list.size()) {
      state.SkipWithError("not every purchase was decided");
      return;
    }
    benchmark::DoNotOptimize(effects.verdicts.data());
  }
  count_commands(state);
}

void encode_load(benchmark::State& state) {
  const purchases batch{state.range(0), state.range(1) != 0};
  for (auto _ : state) {
    const pg::pipeline load = store::load_batch(batch.list, {});
    benchmark::DoNotOptimize(load.size());
  }
  count_commands(state);
}

void encode_apply(benchmark::State& state) {
  const purchases batch{state.range(0), state.range(1) != 0};
  domain::batch_state decided = batch.state();
  const domain::batch_effects effects = domain::decide(batch.list, decided);
  for (auto _ : state) {
    const pg::pipeline apply = store::apply_batch(decided, effects, {.lane_key = 0, .stream = 1});
    benchmark::DoNotOptimize(apply.size());
  }
  count_commands(state);
}

// Commands in the batch, and whether one user sent them all.
void sizes(benchmark::internal::Benchmark* b) { b->Args({1, 0})->Args({64, 0})->Args({256, 0})->Args({256, 1}); }

BENCHMARK(decide)->Apply(sizes);
BENCHMARK(encode_load)->Apply(sizes);
BENCHMARK(encode_apply)->Apply(sizes);

}  // namespace

BENCHMARK_MAIN();
