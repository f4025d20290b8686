// What HTTP costs per purchase: parsing a request, finding its route, writing its answer.

#include <benchmark/benchmark.h>

#include <string>

#include "coffer/api/render.hpp"
#include "coffer/api/routes.hpp"
#include "coffer/http/parser.hpp"

using namespace coffer;

namespace {

constexpr std::string_view purchase =
    "POST /products/7/purchase HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    "Content-Length: 17\r\n\r\n{\"user_id\":12345}";

constexpr std::string_view browser_get =
    "GET /users/12345/inventory HTTP/1.1\r\nHost: shop.example.com\r\nConnection: keep-alive\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
    "Accept: application/json\r\nAccept-Language: en-GB,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
    "If-None-Match: \"12345-7\"\r\nSec-Fetch-Mode: cors\r\n\r\n";

void parse(benchmark::State& state, std::string_view bytes) {
  const http::limits limits;
  http::parser parser{limits};
  http::request request;
  for (auto _ : state) {
    request.clear();
    const http::parser::step done = parser.feed(bytes, request);
    if (done.result != http::parser::status::complete || done.consumed != bytes.size()) {
      state.SkipWithError("the request is not complete");
      return;
    }
    benchmark::DoNotOptimize(request.body.data());
    parser.next();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(bytes.size()));
}

void find_route(benchmark::State& state, http::method verb, std::string_view path) {
  const http::router<api::endpoint> routes = api::make_routes();
  for (auto _ : state) {
    const auto found = routes.match(verb, path);
    if (found.outcome != http::route_outcome::found) {
      state.SkipWithError("there is no such route");
      return;
    }
    benchmark::DoNotOptimize(found.handler);
  }
}

domain::transaction bought_row() {
  domain::transaction row;
  row.user = user_id{12345};
  row.at = version{17};
  row.kind = domain::transaction_kind::purchase;
  row.product = product_id{7};
  row.quantity = 1;
  row.amount = domain::credits{250};
  row.balance_after = domain::credits{99'750};
  row.item_quantity_after = 3;
  row.request_id = "AAAAAAAAAAAAAAAAAAAAAA";
  return row;
}

void write_receipt(benchmark::State& state) {
  const domain::transaction row = bought_row();
  http::serialise_options how;
  how.request_id = row.request_id;
  std::string out;
  for (auto _ : state) {
    http::response answer{201, http::json_type, api::render_receipt({row, api::audience::player})};
    answer.add("Location", "/users/12345/transactions/17");
    out.clear();
    http::serialise(answer, how, out);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(out.size()));
}

BENCHMARK_CAPTURE(parse, purchase, purchase);
BENCHMARK_CAPTURE(parse, browser_get, browser_get);
BENCHMARK_CAPTURE(find_route, purchase, http::method::post, "/products/7/purchase");
BENCHMARK_CAPTURE(find_route, inventory, http::method::get, "/users/12345/inventory");
BENCHMARK(write_receipt);

}  // namespace

BENCHMARK_MAIN();
