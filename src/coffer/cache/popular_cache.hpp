// One document that is dear to compute and may be an hour old, kept in this process and in Redis. Knows not what is
// in it. One instance per thread.
#pragma once

#include <charconv>
#include <chrono>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "coffer/base/clock.hpp"
#include "coffer/base/log.hpp"
#include "coffer/cache/cache_metrics.hpp"
#include "coffer/cache/single_flight.hpp"
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

namespace detail {

/// The end of the year 9999: later dates are garbage.
inline constexpr std::int64_t max_milliseconds = 253'402'300'799'999;

/// The document and when its computation began, by the wall clock, which the processes share.
struct dated {
  dated(std::string bytes, timestamp when) : json{std::move(bytes)}, computed_at{when} {}
  std::string json;
  timestamp computed_at;
};

/// "P <milliseconds since 1970>\n<json>".
inline std::string encode(const dated& document) {
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(document.computed_at.time_since_epoch());
  return fmt::format("P {}\n{}", since.count(), document.json);
}

inline std::optional<dated> decode(std::string_view raw) {
  const std::size_t line_end = raw.find('\n');
  if (!raw.starts_with("P ") || line_end == std::string_view::npos || !raw.ends_with('}')) {
    return std::nullopt;
  }
  std::int64_t since = 0;
  const auto [end, failed] = std::from_chars(raw.data() + 2, raw.data() + line_end, since);
  if (failed != std::errc{} || end != raw.data() + line_end || since < 0 || since > max_milliseconds) {
    return std::nullopt;
  }
  return dated{std::string{raw.substr(line_end + 1)}, timestamp{std::chrono::milliseconds{since}}};
}

/// When this instance refreshes: at the configured share of the TTL or a little later, so that threads and processes
/// do not do it together.
inline std::chrono::milliseconds refresh_age(const popular_cache_options& how) {
  std::random_device device;
  const double spread = (1.0 - how.early_refresh) / 2;
  const double share = how.early_refresh + std::uniform_real_distribution<double>{0.0, spread}(device);
  return std::chrono::milliseconds{
      static_cast<std::chrono::milliseconds::rep>(share * static_cast<double>(how.ttl.count()))};
}

}  // namespace detail

/// The document is never older than its TTL. Without Redis each thread computes it once per TTL.
class popular_cache {
 public:
  /// Computes the document: JSON bytes. Must keep a deadline of its own.
  using loader = std::function<net::task<std::string>()>;

  /// `redis` (nullptr: none) must outlive this and belong to the same thread.
  popular_cache(redis::client* redis, popular_cache_options how, loader load)
      : redis_{redis},
        options_{std::move(how)},
        key_{options_.prefix + "popular"},
        load_{std::move(load)},
        refresh_age_{detail::refresh_age(options_)} {}
  ~popular_cache() = default;
  popular_cache(const popular_cache&) = delete;
  popular_cache& operator=(const popular_cache&) = delete;

  /// The document. Callers that find none wait for one computation and share its exception; throws wait_error when
  /// `until` passes first. An early refresh that fails is logged and the old document served. Outlives its callers.
  net::task<std::string> get(net::deadline until);

 private:
  static constexpr std::size_t max_waiting = 65536;

  net::task<std::string> find_or_compute();
  net::task<> refresh_early();
  /// Takes a document that is newer than ours from Redis, else computes it.
  net::task<> renew();
  net::task<std::optional<detail::dated>> find_shared();
  void share() const;
  /// Whether the document is there and not too old. A date in the future, by a clock that was set back, is too old.
  [[nodiscard]] bool fresh(const std::optional<detail::dated>& document) const {
    const auto age = document ? now() - document->computed_at : std::chrono::microseconds{-1};
    return age >= std::chrono::microseconds::zero() && age < options_.ttl;
  }

  redis::client* redis_;
  popular_cache_options options_;
  std::string key_;
  loader load_;
  std::chrono::milliseconds refresh_age_;
  std::optional<detail::dated> document_;
  bool refreshing_ = false;
  std::chrono::steady_clock::time_point refresh_not_before_{};
  single_flight<int, std::string> flights_{joins::next, 1, max_waiting};
};

inline net::task<std::string> popular_cache::get(net::deadline until) {
  if (!fresh(document_)) {
    auto work = [this] { return find_or_compute(); };
    co_return co_await flights_.run(0, until, std::move(work));
  }
  const bool due = now() - document_->computed_at >= refresh_age_;
  if (due && !refreshing_ && std::chrono::steady_clock::now() >= refresh_not_before_) {
    // What it finds is for the others; this caller could have had the old one as well.
    std::string old = document_->json;
    co_await refresh_early();
    co_return fresh(document_) ? document_->json : old;
  }
  popular_metrics::get().local.add();
  co_return document_->json;
}

inline net::task<std::string> popular_cache::find_or_compute() {
  if (!fresh(document_)) {
    co_await renew();
  }
  co_return document_->json;
}

inline net::task<> popular_cache::refresh_early() {
  refreshing_ = true;
  try {
    co_await renew();
  } catch (const std::exception& e) {
    log::debug("early refresh of the popular products failed", {{"reason", e.what()}});
    refresh_not_before_ = std::chrono::steady_clock::now() + options_.retry_after;
  }
  refreshing_ = false;
}

inline net::task<> popular_cache::renew() {
  const popular_metrics& m = popular_metrics::get();
  std::optional<detail::dated> shared = co_await find_shared();
  if (fresh(shared) && (!document_ || shared->computed_at > document_->computed_at)) {
    m.shared.add();
    document_ = std::move(shared);
    co_return;
  }
  const timestamp begun = now();
  std::string json;
  try {
    json = co_await load_();
  } catch (...) {
    m.failed.add();
    throw;
  }
  m.computed.add();
  document_.emplace(std::move(json), begun);
  share();
}

inline net::task<std::optional<detail::dated>> popular_cache::find_shared() {
  if (redis_ == nullptr) {
    co_return std::nullopt;
  }
  std::vector<std::string> question{"GET", key_};
  const redis::outcome answer = co_await redis_->command(std::move(question));
  if (!answer || !answer->is_string()) {
    co_return std::nullopt;
  }
  co_return detail::decode(answer->text);
}

inline void popular_cache::share() const {
  if (redis_ == nullptr) {
    return;
  }
  const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now() - document_->computed_at);
  if (age >= options_.ttl) {
    return;
  }
  const std::string value = detail::encode(*document_);
  const std::string rest = std::to_string((options_.ttl - age).count());
  const std::string_view command[] = {"SET", key_, value, "PX", rest};
  redis_->post_command(command, redis::callback{});
}

}  // namespace coffer::cache
