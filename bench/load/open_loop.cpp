// An open-loop HTTP generator: requests leave on a fixed schedule whether or not earlier ones were answered, and a
// latency counts from the time a request should have left. So a server that stalls is charged for everybody who waits.
//
// usage: open_loop PORT TABLE RATE SECONDS CONNECTIONS
//
// TABLE has a request per line: method, path, body and an empty column, with tabs between. A request that is due while
// every connection is busy waits for the first free one; what is still waiting at the end was not sent, and is counted.
// Prints one line of JSON; latencies are those of the 201 and 200 answers, in milliseconds.

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "open_loop_connection.hpp"

namespace {

using namespace bench;

/// How far apart the generator wakes up at least: at high rates waking up for every single request would cost as much
/// as serving it. What leaves late for it is charged to the latency like any other wait.
constexpr std::chrono::microseconds slot{500};

constexpr std::chrono::seconds patience{10};  // for answers that are missing when the schedule has ended

/// Request k is due k / rate seconds after the start.
class schedule final : public owner {
 public:
  schedule(std::uint16_t port, std::vector<std::string> requests, double rate, int seconds, int connections)
      : requests_{std::move(requests)},
        gap_{std::chrono::duration_cast<steady::duration>(std::chrono::duration<double>(1 / rate))},
        planned_{static_cast<std::uint64_t>(rate * seconds)},
        duration_{seconds} {
    const tcp::endpoint server{asio::ip::make_address("127.0.0.1"), port};
    for (int i = 0; i < connections; ++i) {
      pool_.push_back(std::make_unique<connection>(context_, server, *this, totals_));
      if (pool_.back()->usable()) {
        free_.push_back(pool_.back().get());
      }
    }
  }

  void run() {
    const double preparation = static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
    began_ = steady::now();
    tick();
    context_.run();
    const std::uint64_t answers = totals_.done + totals_.refused + totals_.overloaded + totals_.other;
    const double seconds = std::chrono::duration<double>(std::max<steady::duration>(last_ - began_, duration_)).count();
    const auto& due = totals_.from_schedule;
    const auto& sent = totals_.from_sending;
    fmt::print(R"({{"preparation":{:.3f},"planned":{},"sent":{},"answers":{},"count":{},"refused":{},"overloaded":{},)"
               R"("other":{},"errors":{},)"
               R"("unsent":{},"unanswered":{},"seconds":{:.4f},"per_second":{:.1f},"p50_ms":{:.3f},"p90_ms":{:.3f},)"
               R"("p99_ms":{:.3f},"p999_ms":{:.3f},"max_ms":{:.3f},"p50_sent_ms":{:.3f},"p99_sent_ms":{:.3f}}})"
               "\n",
               preparation, planned_, totals_.sent, answers, totals_.done, totals_.refused, totals_.overloaded,
               totals_.other, totals_.errors, unsent_, totals_.sent - answers, seconds,
               static_cast<double>(totals_.done) / seconds, due.percentile_ms(0.5), due.percentile_ms(0.9),
               due.percentile_ms(0.99), due.percentile_ms(0.999), due.percentile_ms(1), sent.percentile_ms(0.5),
               sent.percentile_ms(0.99));
  }

 private:
  [[nodiscard]] steady::time_point due(std::uint64_t k) const { return began_ + gap_ * static_cast<std::int64_t>(k); }

  void tick() {
    const steady::time_point now = steady::now();
    while (next_ < planned_ && due(next_) <= now) {
      waiting_.push_back(next_++);
    }
    dispatch();
    if (next_ == planned_) {
      finish();
      return;
    }
    timer_.expires_at(std::max(due(next_), now + slot));
    timer_.async_wait([this](asio::error_code failed) {
      if (!failed) {
        tick();
      }
    });
  }

  void dispatch() {
    while (!waiting_.empty() && !free_.empty()) {
      connection* c = free_.back();
      free_.pop_back();
      const std::uint64_t k = waiting_.front();
      waiting_.pop_front();
      c->send(requests_[k % requests_.size()], due(k));
    }
  }

  void idle(connection& c) override {
    last_ = steady::now();
    free_.push_back(&c);
    if (!finished_) {
      dispatch();
    }
    close_when_done();
  }

  /// The schedule has ended: what waits for a connection stays unsent.
  void finish() {
    finished_ = true;
    unsent_ = waiting_.size();
    waiting_.clear();
    timer_.expires_after(patience);
    timer_.async_wait([this](asio::error_code failed) {
      if (!failed) {
        close_all();
      }
    });
    close_when_done();
  }

  void close_when_done() {
    if (finished_ && free_.size() == pool_.size()) {
      timer_.cancel();
      close_all();
    }
  }

  void close_all() {
    for (const auto& each : pool_) {
      each->close();
    }
  }

  asio::io_context context_{1};
  asio::basic_waitable_timer<steady> timer_{context_};
  std::vector<std::string> requests_;
  steady::duration gap_;
  std::uint64_t planned_;
  std::chrono::seconds duration_;
  counters totals_;
  std::vector<std::unique_ptr<connection>> pool_;
  std::vector<connection*> free_;
  std::deque<std::uint64_t> waiting_;
  steady::time_point began_;
  steady::time_point last_;
  std::uint64_t next_ = 0;
  std::uint64_t unsent_ = 0;
  bool finished_ = false;
};

std::vector<std::string> read_table(const char* path) {
  std::vector<std::string> requests;
  std::ifstream file{path};
  for (std::string method, uri, body, key; std::getline(file, method, '\t');) {
    std::getline(file, uri, '\t');
    std::getline(file, body, '\t');
    std::getline(file, key);
    if (!key.empty()) {
      throw std::runtime_error{fmt::format("{}: requests with a key are not supported", path)};
    }
    std::string fields;
    if (!body.empty()) {
      fields = fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n", body.size());
    }
    requests.push_back(fmt::format("{} {} HTTP/1.1\r\nHost: 127.0.0.1\r\n{}\r\n{}", method, uri, fields, body));
  }
  if (requests.empty()) {
    throw std::runtime_error{fmt::format("{} has no request", path)};
  }
  return requests;
}

void allow_many_descriptors() {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fputs("usage: open_loop PORT TABLE RATE SECONDS CONNECTIONS\n", stderr);
    return 2;
  }
  allow_many_descriptors();
  try {
    schedule s{static_cast<std::uint16_t>(std::atoi(argv[1])), read_table(argv[2]), std::atof(argv[3]),
               std::atoi(argv[4]), std::atoi(argv[5])};
    s.run();
  } catch (const std::exception& e) {
    fmt::print(stderr, "open_loop: {}\n", e.what());
    return 2;
  }
  return 0;
}
