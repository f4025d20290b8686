// Shares the limiter's buckets with other processes through Redis: what was used is told, what may be used is leased,
// for many buckets in one command and never while a request waits.
#pragma once

#include <expected>
#include <string>

#include <fmt/format.h>

#include "coffer/base/metrics.hpp"
#include "coffer/limit/limiter.hpp"
#include "coffer/net/task.hpp"
#include "coffer/redis/client.hpp"

namespace coffer::limit {

/// The job. Lives on one thread, with that thread's Redis client.
class exchange {
 public:
  /// The pause between two commands while there is something to tell: how long processes may not know of each other.
  static constexpr std::chrono::milliseconds pace{10};
  /// Buckets in one command.
  static constexpr std::size_t most = 256;

  /// Keys begin with `prefix`.
  exchange(net::executor ex, redis::client& with, limiter& between, std::string prefix);

  /// Something has become due. On any thread.
  void wake();

  /// Tells and leases until stop().
  net::task<> run();
  /// On the job's thread.
  void stop();

 private:
  net::task<bool> round();

  net::executor executor_;
  net::steady_timer timer_;
  redis::client& redis_;
  limiter& limiter_;
  std::string prefix_;
  bool stopping_ = false;
};

namespace detail {

/// Per bucket, KEYS: where its arrival time is kept, in microseconds of Redis's clock. ARGV: interval in microseconds,
/// quota, requests owed, requests wanted, microseconds until what this process has used is earned again. Answers for
/// each: requests leased, and for how many microseconds there are no others.
///
/// Uses that are told later and at once make the arrival time what it would be if each had been told at its time: the
/// larger one of the two that are compared. So it is never less than what this process owes by itself, whatever Redis
/// has forgotten. Debts end at two windows, so that garbage and clocks that jump are got over.
inline constexpr std::string_view script = R"(
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answer = {}
for i, key in ipairs(KEYS) do
  local interval, quota = tonumber(ARGV[5 * i - 4]), tonumber(ARGV[5 * i - 3])
  local owed, wanted = tonumber(ARGV[5 * i - 2]), tonumber(ARGV[5 * i - 1])
  local own = now + tonumber(ARGV[5 * i])
  local window = interval * quota
  local found = redis.pcall('GET', key)
  local at = type(found) == 'string' and tonumber(found) or own - owed * interval
  at = math.max(own, math.min(now + 2 * window, at) + owed * interval)
  local left = math.max(math.floor((now + window - math.max(at, now)) / interval + 0.000001), 0)
  local leased = math.min(wanted, left)
  at = math.min(math.max(at, leased > 0 and now or at) + leased * interval, now + 2 * window)
  local wait = 0
  if left - leased < 1 then wait = math.max(math.ceil(at + interval - now - window), 0) end
  redis.call('SET', key, string.format('%.3f', at), 'PX', math.max(math.ceil((at - now) / 1000), 0) + 1000)
  answer[2 * i - 1] = leased
  answer[2 * i] = wait
end
return answer
)";

inline const metrics::counter& rounds(bool answered) {
  static const auto make = [](const char* result) {
    return metrics::make_counter("coffer_limiter_exchanges_total",
                                 "Commands that shared limits through Redis; failed: this process limits on its own",
                                 {{"result", result}});
  };
  static const metrics::counter done = make("done");
  static const metrics::counter failed = make("failed");
  return answered ? done : failed;
}

/// The bucket's name, at most one per limit: "purchase:user:0:2a".
inline std::string key_of(const std::string& prefix, const bucket_id& bucket) {
  return fmt::format("{}limit:{}:{}:{:x}:{:x}", prefix, to_string(bucket.what), to_string(bucket.by), bucket.of.high,
                     bucket.of.low);
}

/// What became of reports when there are no allowances. An error that Redis reports comes before anything is written:
/// it is full, read-only or loading.
inline unanswered why_unanswered(const redis::outcome& got) {
  if (got) {
    return got->is_error() ? unanswered::not_sent : unanswered::uncertain;
  }
  switch (got.error()) {
    case redis::failure::unavailable:
    case redis::failure::breaker_open:
    case redis::failure::overloaded:
      return unanswered::not_sent;
    case redis::failure::lost:
    case redis::failure::timeout:
    case redis::failure::protocol:
      break;
  }
  return unanswered::uncertain;
}

/// The allowances of a reply.
inline std::expected<std::vector<allowance>, unanswered> read_allowances(const redis::outcome& got, std::size_t count) {
  if (!got || got->is != redis::reply::kind::array || got->elements.size() != 2 * count) {
    return std::unexpected{why_unanswered(got)};
  }
  std::vector<allowance> all(count);
  for (std::size_t i = 0; i < count; ++i) {
    const redis::reply& leased = got->elements[2 * i];
    const redis::reply& wait = got->elements[2 * i + 1];
    if (!leased.is_integer() || !wait.is_integer() || leased.integer < 0 || leased.integer > policy::max_quota ||
        wait.integer < 0) {
      return std::unexpected{unanswered::uncertain};
    }
    all[i].leased = leased.integer;
    all[i].wait_in =
        std::min<std::chrono::nanoseconds>(std::chrono::microseconds{wait.integer}, 2 * policy::max_window);
  }
  return all;
}

}  // namespace detail

inline exchange::exchange(net::executor ex, redis::client& with, limiter& between, std::string prefix)
    : executor_{ex}, timer_{ex}, redis_{with}, limiter_{between}, prefix_{std::move(prefix)} {}

inline void exchange::wake() {
  asio::post(executor_, [this] { timer_.cancel(); });
}

inline void exchange::stop() {
  stopping_ = true;
  timer_.cancel();
}

inline net::task<> exchange::run() {
  while (!stopping_) {
    if (!limiter_.has_due()) {
      // wake() comes by way of this thread's queue: one for what becomes due from here on finds the timer waiting.
      timer_.expires_at(clock::time_point::max());
      co_await timer_.async_wait(net::as_tuple);
      continue;
    }
    // What becomes due during the pause travels along.
    co_await net::sleep_for(pace);
    bool full = true;
    while (full && !stopping_) {
      full = co_await round();
    }
  }
}

/// One command; true when it was full, so that the next one need not wait.
inline net::task<bool> exchange::round() {
  const clock::time_point sent = clock::now();
  const std::vector<report> all = limiter_.due(most, sent);
  if (all.empty()) {
    co_return false;
  }
  std::vector<std::string> keys;
  std::vector<std::string> arguments;
  for (const report& each : all) {
    keys.push_back(detail::key_of(prefix_, each.bucket));
    arguments.push_back(fmt::format("{:.3f}", static_cast<double>(each.rule.interval().count()) / 1000));
    arguments.push_back(fmt::format("{}", each.rule.quota));
    arguments.push_back(fmt::format("{}", each.owed));
    arguments.push_back(fmt::format("{}", each.wanted));
    arguments.push_back(fmt::format("{:.3f}", static_cast<double>(each.full_in.count()) / 1000));
  }
  const redis::outcome got = co_await redis_.eval(detail::script, keys, arguments);
  const auto allowances = detail::read_allowances(got, all.size());
  detail::rounds(allowances.has_value()).add();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (allowances) {
      limiter_.settle(all[i], (*allowances)[i], sent);
    } else {
      limiter_.settle(all[i], allowances.error(), sent);
    }
  }
  co_return all.size() == most;
}

}  // namespace coffer::limit
