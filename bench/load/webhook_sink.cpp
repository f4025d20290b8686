// A receiver of webhooks that accepts everything at once, and knows how long each event took to it.
//
// usage: webhook_sink      listens on a free port of 127.0.0.1, prints it, and runs until it is killed
//
// POST takes an event. GET gives one line of JSON: `events` and `repeated` since it was started; and of what came the
// first time since the last DELETE: `received`, `seconds` from the first to the last, and percentiles of the time from
// the event's occurred_at to its receipt, in milliseconds, by this machine's clock.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <unordered_set>

#include <fmt/format.h>
#include <asio/io_context.hpp>

#include "coffer/base/clock.hpp"
#include "coffer/http/body_stream.hpp"
#include "coffer/http/handler.hpp"
#include "coffer/http/server.hpp"
#include "histogram.hpp"

namespace {

using namespace coffer;
using steady = std::chrono::steady_clock;

/// Since the last DELETE.
struct lately {
  std::uint64_t received = 0;
  steady::time_point first{};
  steady::time_point last{};
  bench::histogram delays{};
};

class sink final : public http::handler {
 public:
  http::eventual_response handle(http::request& r) override {
    if (r.verb == http::method::post) {
      return take(r);
    }
    if (r.verb == http::method::delete_) {
      lately_ = {};
    }
    return tell();
  }
  http::response reject(const http::rejection& why, const http::request&) override {
    return http::response{why.status, http::text_type, "no request"};
  }

 private:
  net::task<http::response> take(http::request& r) {
    http::body_stream& body = *r.stream;
    auto got = body.collect();
    while (got == http::body_stream::status::nothing) {
      co_await body.wait();
      got = body.collect();
    }
    if (!seen_.emplace(r.header("webhook-id").value_or("")).second) {
      ++repeated_;
      co_return http::response{204};
    }
    lately_.last = steady::now();
    lately_.first = lately_.received++ == 0 ? lately_.last : lately_.first;
    constexpr std::string_view name = R"("occurred_at":")";
    const std::string_view text = r.body;
    const auto at = text.find(name);
    const auto begin = at == std::string_view::npos ? text.size() : at + name.size();
    if (const auto occurred = from_rfc3339(text.substr(begin, text.find('"', begin) - begin))) {
      lately_.delays.record(std::chrono::duration_cast<steady::duration>(now() - *occurred));
    }
    co_return http::response{204};
  }

  [[nodiscard]] http::response tell() const {
    const double seconds = std::chrono::duration<double>(lately_.last - lately_.first).count();
    return {
        200, http::json_type,
        fmt::format(
            R"({{"events":{},"repeated":{},"received":{},"seconds":{:.4f},"p50_ms":{:.3f},"p99_ms":{:.3f},"max_ms":{:.3f}}})"
            "\n",
            seen_.size(), repeated_, lately_.received, seconds, lately_.delays.percentile_ms(0.5),
            lately_.delays.percentile_ms(0.99), lately_.delays.percentile_ms(1))};
  }

  std::unordered_set<std::string> seen_;
  std::uint64_t repeated_ = 0;
  lately lately_;
};

}  // namespace

int main() {
  asio::io_context context{1};
  sink all;
  http::server server{"sink", {http::shard{context.get_executor(), all}}, http::limits{}};
  server.listen("127.0.0.1:0");
  fmt::print("{}\n", server.port());
  std::fflush(stdout);
  context.run();
}
