#include "coffer/cache/popular_cache.hpp"

#include <charconv>
#include <optional>
#include <random>
#include <string_view>

#include <fmt/format.h>

#include "coffer/base/clock.hpp"
#include "coffer/base/log.hpp"
#include "coffer/cache/cache_metrics.hpp"
#include "coffer/cache/single_flight.hpp"

namespace coffer::cache {

namespace {

/// The end of the year 9999: later dates are garbage.
constexpr std::int64_t max_milliseconds = 253'402'300'799'999;

/// The document and when its computation began, by the wall clock, which the processes share.
struct dated {
  dated(std::string bytes, timestamp when) : json{std::move(bytes)}, computed_at{when} {}
  std::string json;
  timestamp computed_at;
};

/// "P <milliseconds since 1970>\n<json>".
std::string encode(const dated& document) {
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(document.computed_at.time_since_epoch());
  return fmt::format("P {}\n{}", since.count(), document.json);
}

std::optional<dated> decode(std::string_view raw) {
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
std::chrono::milliseconds refresh_age(const popular_cache_options& how) {
  std::random_device device;
  const double spread = (1.0 - how.early_refresh) / 2;
  const double share = how.early_refresh + std::uniform_real_distribution<double>{0.0, spread}(device);
  return std::chrono::milliseconds{
      static_cast<std::chrono::milliseconds::rep>(share * static_cast<double>(how.ttl.count()))};
}

}  // namespace

class popular_cache::impl : public std::enable_shared_from_this<impl> {
 public:
  impl(net::executor ex, redis::client* redis, popular_cache_options how, loader load)
      : redis_{redis},
        options_{std::move(how)},
        key_{options_.prefix + "popular"},
        load_{std::move(load)},
        refresh_age_{refresh_age(options_)},
        flights_{std::move(ex), 1, max_waiting} {}

  net::task<std::string> get(net::deadline until);

 private:
  static constexpr std::size_t max_waiting = 65536;

  net::task<std::string> find_or_compute();
  net::task<> refresh_early();
  /// Takes a document that is newer than ours from Redis, else computes it.
  net::task<> renew();
  net::task<std::optional<dated>> find_shared();
  void share() const;
  /// Whether the document is there and not too old. A date in the future, by a clock that was set back, is too old.
  [[nodiscard]] bool fresh(const std::optional<dated>& document) const {
    const auto age = document ? now() - document->computed_at : std::chrono::microseconds{-1};
    return age >= std::chrono::microseconds::zero() && age < options_.ttl;
  }

  redis::client* redis_;
  popular_cache_options options_;
  std::string key_;
  loader load_;
  std::chrono::milliseconds refresh_age_;
  std::optional<dated> document_;
  bool refreshing_ = false;
  std::chrono::steady_clock::time_point refresh_not_before_{};
  single_flight<int, std::string> flights_;
};

net::task<std::string> popular_cache::impl::get(net::deadline until) {
  const std::shared_ptr<impl> self = shared_from_this();
  if (!fresh(document_)) {
    auto work = [self] { return self->find_or_compute(); };
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

net::task<std::string> popular_cache::impl::find_or_compute() {
  if (!fresh(document_)) {
    co_await renew();
  }
  co_return document_->json;
}

net::task<> popular_cache::impl::refresh_early() {
  refreshing_ = true;
  try {
    co_await renew();
  } catch (const std::exception& e) {
    log::debug("early refresh of the popular products failed", {{"reason", e.what()}});
    refresh_not_before_ = std::chrono::steady_clock::now() + options_.retry_after;
  }
  refreshing_ = false;
}

net::task<> popular_cache::impl::renew() {
  const popular_metrics& m = popular_metrics::get();
  std::optional<dated> shared = co_await find_shared();
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

net::task<std::optional<dated>> popular_cache::impl::find_shared() {
  if (redis_ == nullptr) {
    co_return std::nullopt;
  }
  std::vector<std::string> question{"GET", key_};
  const redis::outcome answer = co_await redis_->command(std::move(question));
  if (!answer || !answer->is_string()) {
    co_return std::nullopt;
  }
  co_return decode(answer->text);
}

void popular_cache::impl::share() const {
  if (redis_ == nullptr) {
    return;
  }
  const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now() - document_->computed_at);
  if (age >= options_.ttl) {
    return;
  }
  const std::string value = encode(*document_);
  const std::string rest = std::to_string((options_.ttl - age).count());
  const std::string_view command[] = {"SET", key_, value, "PX", rest};
  redis_->post_command(command, redis::callback{});
}

popular_cache::popular_cache(net::executor ex, redis::client* redis, popular_cache_options how, loader load)
    : impl_{std::make_shared<impl>(std::move(ex), redis, std::move(how), std::move(load))} {}

popular_cache::~popular_cache() = default;

net::task<std::string> popular_cache::get(net::deadline until) { return impl_->get(until); }

}  // namespace coffer::cache
