// One document that is dear to compute and may be an hour old, kept in this process and in Redis. Knows not what is
// in it. One instance per thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "coffer/net/task.hpp"
#include "coffer/redis/client.hpp"

namespace coffer::cache {

struct popular_cache_options {
  popular_cache_options() = default;
  explicit popular_cache_options(std::string key_prefix) : prefix{std::move(key_prefix)} {}

  std::string prefix = "coffer:";               ///< of the key
  std::chrono::milliseconds ttl{3600'000};      ///< from the start of the computation, in this process and in Redis
  double early_refresh = 0.9;                   ///< share of the TTL after which one caller computes it again
  std::chrono::milliseconds retry_after{5000};  ///< after an early refresh that failed
};

/// The document is never older than its TTL. Without Redis each thread computes it once per TTL.
class popular_cache {
 public:
  /// Computes the document: JSON bytes. Must keep a deadline of its own.
  using loader = std::function<net::task<std::string>()>;

  /// `redis` (nullptr: none) must outlive this and belong to the same thread.
  popular_cache(net::executor ex, redis::client* redis, popular_cache_options how, loader load);
  ~popular_cache();
  popular_cache(const popular_cache&) = delete;
  popular_cache& operator=(const popular_cache&) = delete;

  /// The document. Callers that find none wait for one computation and share its exception; throws wait_error when
  /// `until` passes first. An early refresh that fails is logged and the old document served.
  net::task<std::string> get(net::deadline until);

 private:
  class impl;
  std::shared_ptr<impl> impl_;
};

}  // namespace coffer::cache
