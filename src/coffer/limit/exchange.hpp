// Shares the limiter's buckets with other processes through Redis: what was used is told, what may be used is leased,
// for many buckets in one command and never while a request waits.
#pragma once

#include <string>

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

}  // namespace coffer::limit
