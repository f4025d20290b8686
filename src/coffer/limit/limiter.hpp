// Who has asked how often: one table for all threads of the process. Knows no Redis: see exchange.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "coffer/base/assert.hpp"
#include "coffer/base/metrics.hpp"
#include "coffer/limit/gcra.hpp"

namespace coffer::limit {

/// Whose bucket: a user's or key's id, or an address (see address_subject).
struct subject {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend bool operator==(const subject&, const subject&) = default;
};

/// Names a bucket in the process and, spelled out, in Redis.
struct bucket_id {
  route_class what = route_class::none;
  dimension by = dimension::user;
  subject of;
  friend bool operator==(const bucket_id&, const bucket_id&) = default;
};

/// What a bucket tells the other processes: requests that none of them knows of yet, and what it would like to hold.
struct report {
  bucket_id bucket;
  policy rule;
  std::int64_t owed = 0;    ///< used beyond the lease
  std::int64_t wanted = 0;  ///< requests to lease
  std::int64_t spent = 0;   ///< as settle() wants it back
  /// Until all that was used here is earned again, if nobody else used anything; negative: since it was.
  std::chrono::nanoseconds full_in{0};
};

/// What the other processes leave to a bucket.
struct allowance {
  std::int64_t leased = 0;              ///< requests that this process may let pass without asking
  std::chrono::nanoseconds wait_in{0};  ///< beyond those: nothing for so long
};

/// What became of a report without an answer.
enum class unanswered : std::uint8_t {
  not_sent,   ///< nobody has heard it
  uncertain,  ///< it may have been heard, or may be yet
};

struct limiter_options {
  std::array<policies, route_class_count> by_class{};
  std::size_t capacity = 131072;  ///< buckets, 56 bytes each, rounded up to a power of two
  bool shared = false;            ///< whether reports are made for other processes
  std::uint64_t seed = 0;         ///< of the hash: a secret
};

/// Thread-safe; a look-up takes one lock that hardly anybody holds. A bucket nobody owes anything in is forgotten as
/// soon as its place is wanted; where all eight places of a bucket are busy the one that owes least is forgotten and
/// counted (coffer_limiter_evictions_total).
class limiter {
 public:
  /// `wake` is called, on any thread, when reports have become due after there were none.
  explicit limiter(const limiter_options& how, std::function<void()> wake = {});
  ~limiter() = default;
  limiter(const limiter&) = delete;
  limiter& operator=(const limiter&) = delete;

  [[nodiscard]] const policy& rule(route_class what, dimension by) const {
    return how_.by_class[static_cast<std::size_t>(what)].of(by);
  }
  [[nodiscard]] bool limits(route_class what) const { return how_.by_class[static_cast<std::size_t>(what)].any(); }

  /// Takes `count` requests out of a bucket whose rule limits, and has a quota of so many: all of them or none.
  verdict take(const bucket_id& bucket, clock::time_point now, std::int64_t count = 1);
  /// Gives back what take() has allowed, as if it had not been asked for.
  void give_back(const bucket_id& bucket, std::int64_t count = 1);

  /// Whether there may be reports.
  [[nodiscard]] bool has_due();
  /// Up to `most` reports that are due at `now`, the oldest first; fewer, even none, when some have come to nothing.
  std::vector<report> due(std::size_t most, clock::time_point now);
  /// The answer to a report that was sent at `now`.
  void settle(const report& about, const allowance& answer, clock::time_point now);
  /// There was none, and each process is on its own. What nobody has heard is told with the next use; what may have
  /// been heard, or may be yet, never again: better that a little is missing than that it is charged over and over.
  void settle(const report& about, unanswered why, clock::time_point now);

 private:
  struct slot;
  struct stripe;

  [[nodiscard]] std::uint64_t hash(const bucket_id& bucket) const;
  slot* find(std::uint64_t hash, const bucket_id& bucket);
  slot& claim(std::uint64_t hash, const bucket_id& bucket, clock::time_point now);
  std::mutex& lock_of(std::uint64_t hash);
  void enqueue(const bucket_id& bucket);

  limiter_options how_;
  std::function<void()> wake_;
  std::size_t sets_ = 0;  ///< a power of two; 0: nothing is limited
  std::unique_ptr<slot[]> slots_;
  std::unique_ptr<stripe[]> stripes_;
  std::mutex due_mutex_;
  std::vector<bucket_id> due_;
};

namespace detail {

inline constexpr std::size_t ways = 8;
inline constexpr std::size_t stripe_count = 256;

/// A process lets pass this part of a quota between two reports: first untold, so that a user who comes once costs
/// nobody a command, then out of a lease.
constexpr std::int64_t share_of(const policy& p) { return p.quota / 8; }

inline const metrics::counter& evictions() {
  static const metrics::counter count = metrics::make_counter(
      "coffer_limiter_evictions_total", "Buckets forgotten before they were full again, for want of room");
  return count;
}

/// The finaliser of MurmurHash3 (public domain): every bit of the input reaches every bit of the output.
inline std::uint64_t mix(std::uint64_t x) {
  x ^= x >> 33U;
  x *= 0xff51afd7ed558ccdULL;
  x ^= x >> 33U;
  x *= 0xc4ceb9fe1a85ec53ULL;
  return x ^ (x >> 33U);
}

}  // namespace detail

struct limiter::slot {
  bucket_id bucket;                  ///< class none: the slot is free
  arrival owed;                      ///< of this process
  clock::time_point closed_until{};  ///< what the other processes have left is used up until then
  std::uint32_t spent = 0;           ///< since the last report
  std::uint32_t lease = 0;           ///< of that, covered by the last allowance
  bool is_known = false;             ///< to the others, since it was last quiet
  bool is_due = false;
  bool is_travelling = false;  ///< a report about it has no answer yet

  /// Whether the others should hear of what was spent.
  [[nodiscard]] bool has_news(const policy& p) const { return spent > (is_known ? lease : detail::share_of(p)); }
  /// A whole window has passed since it was full here: what was used, told or leased before has been earned again in
  /// the eyes of everybody. That it is full here says nothing, because others may use it as well.
  [[nodiscard]] bool was_quiet(const policy& p, clock::time_point now) const { return owed.at + p.window <= now; }
  void forget_telling() {
    spent = lease = 0;
    is_known = is_due = false;
  }
  /// What a report would tell. The first one leaves out what was earned again here: it is of the share, or of a time
  /// when nobody listened.
  [[nodiscard]] std::int64_t untold(const policy& p, clock::time_point now) const {
    return is_known ? std::int64_t{spent} - lease : std::min<std::int64_t>(spent, owed.owed(p, now));
  }
};

struct alignas(64) limiter::stripe {
  std::mutex mutex;
};

inline limiter::limiter(const limiter_options& how, std::function<void()> wake) : how_{how}, wake_{std::move(wake)} {
  if (std::any_of(how_.by_class.begin(), how_.by_class.end(), [](const policies& p) { return p.any(); })) {
    sets_ = std::bit_ceil(std::max<std::size_t>(how_.capacity / detail::ways, detail::stripe_count));
    slots_ = std::make_unique<slot[]>(sets_ * detail::ways);
    stripes_ = std::make_unique<stripe[]>(detail::stripe_count);
  }
}

inline std::uint64_t limiter::hash(const bucket_id& bucket) const {
  const auto name = static_cast<std::uint64_t>(bucket.what) * dimension_count + static_cast<std::uint64_t>(bucket.by);
  return detail::mix(detail::mix(detail::mix(how_.seed ^ name) ^ bucket.of.high) ^ bucket.of.low);
}

inline std::mutex& limiter::lock_of(std::uint64_t hash) { return stripes_[hash % detail::stripe_count].mutex; }

/// The bucket's slot, or null. Under the stripe's lock: a set lies in one stripe, because there are at least as many
/// sets as stripes and both are powers of two.
inline limiter::slot* limiter::find(std::uint64_t hash, const bucket_id& bucket) {
  slot* const first = &slots_[(hash & (sets_ - 1)) * detail::ways];
  slot* const end = first + detail::ways;
  slot* const found = std::find_if(first, end, [&](const slot& s) { return s.bucket == bucket; });
  return found == end ? nullptr : found;
}

/// A slot for a bucket that has none: one that is free, or whose bucket owes least. Under the stripe's lock.
inline limiter::slot& limiter::claim(std::uint64_t hash, const bucket_id& bucket, clock::time_point now) {
  slot* const first = &slots_[(hash & (sets_ - 1)) * detail::ways];
  slot& least = *std::min_element(first, first + detail::ways,
                                  [](const slot& a, const slot& b) { return a.owed.at < b.owed.at; });
  if (least.bucket.what != route_class::none && least.owed.at > now) {
    detail::evictions().add();
  }
  least = slot{};
  least.bucket = bucket;
  return least;
}

inline verdict limiter::take(const bucket_id& bucket, clock::time_point now, std::int64_t count) {
  const policy& p = rule(bucket.what, bucket.by);
  COFFER_ASSERT(p.limits() && count <= p.quota);
  const std::uint64_t place = hash(bucket);
  bool became_due = false;
  verdict v;
  {
    const std::lock_guard guard{lock_of(place)};
    slot* const found = find(place, bucket);
    slot& s = found != nullptr ? *found : claim(place, bucket, now);
    if (now < s.closed_until && s.spent + count > s.lease) {
      v.allowed = false;
      v.remaining = std::max<std::int64_t>(std::int64_t{s.lease} - s.spent, 0);
      v.full_in = std::max<std::chrono::nanoseconds>(s.owed.at - now, s.closed_until - now);
      v.retry_in = std::max<std::chrono::nanoseconds>(s.owed.retry_in(p, now, count), s.closed_until - now);
    } else {
      const bool was_quiet = s.was_quiet(p, now);
      v = s.owed.take(p, now, count);
      if (v.allowed && how_.shared) {
        if (was_quiet && !s.is_travelling) {
          s.forget_telling();
        }
        // Nobody is told more than the quota, however long nobody listens.
        s.spent = static_cast<std::uint32_t>(std::min<std::int64_t>(s.spent + count, p.quota));
        became_due = !s.is_due && s.has_news(p);
        s.is_due = s.is_due || became_due;
      }
    }
  }
  if (became_due) {
    enqueue(bucket);
  }
  return v;
}

inline void limiter::give_back(const bucket_id& bucket, std::int64_t count) {
  const policy& p = rule(bucket.what, bucket.by);
  const std::uint64_t place = hash(bucket);
  const std::lock_guard guard{lock_of(place)};
  slot* const s = find(place, bucket);
  if (s == nullptr) {
    return;  // forgotten meanwhile
  }
  s->owed.give_back(p, count);
  const auto untold = static_cast<std::uint32_t>(std::min<std::int64_t>(count, s->spent));
  s->spent -= untold;
  if (s->is_known && !s->is_travelling) {
    // The others have heard of the rest already: it is there for the next who come here.
    s->lease += static_cast<std::uint32_t>(count) - untold;
  }
}

/// A bucket stands here once; forgotten and come again it may stand here twice, so the list has an end of its own. What
/// finds no place stays untold until its bucket has been full again.
inline void limiter::enqueue(const bucket_id& bucket) {
  bool first = false;
  {
    const std::lock_guard guard{due_mutex_};
    if (due_.size() >= 2 * sets_ * detail::ways) {
      return;
    }
    first = due_.empty();
    due_.push_back(bucket);
  }
  if (first && wake_) {
    wake_();
  }
}

inline bool limiter::has_due() {
  const std::lock_guard guard{due_mutex_};
  return !due_.empty();
}

inline std::vector<report> limiter::due(std::size_t most, clock::time_point now) {
  std::vector<bucket_id> buckets;
  {
    const std::lock_guard guard{due_mutex_};
    const auto end = due_.begin() + static_cast<std::ptrdiff_t>(std::min(most, due_.size()));
    buckets.assign(due_.begin(), end);
    due_.erase(due_.begin(), end);
  }
  std::vector<report> all;
  all.reserve(buckets.size());
  for (const bucket_id& bucket : buckets) {
    const std::uint64_t place = hash(bucket);
    const std::lock_guard guard{lock_of(place)};
    slot* const found = find(place, bucket);
    if (found == nullptr) {
      continue;  // forgotten meanwhile
    }
    slot& s = *found;
    const policy& p = rule(bucket.what, bucket.by);
    // It may stand in the list twice, and what was due may have been told or forgotten since.
    if (std::exchange(s.is_due, false) && s.has_news(p)) {
      all.push_back({.bucket = bucket,
                     .rule = p,
                     .owed = s.untold(p, now),
                     .wanted = detail::share_of(p),
                     .spent = s.spent,
                     .full_in = s.owed.at - now});
      s.is_travelling = true;
    }
  }
  return all;
}

inline void limiter::settle(const report& about, const allowance& answer, clock::time_point now) {
  const std::uint64_t place = hash(about.bucket);
  bool became_due = false;
  {
    const std::lock_guard guard{lock_of(place)};
    slot* const found = find(place, about.bucket);
    if (found == nullptr) {
      return;
    }
    slot& s = *found;
    // Not when the bucket was forgotten meanwhile, and has come again.
    const std::int64_t told = std::exchange(s.is_travelling, false) ? about.spent : 0;
    const std::int64_t given_back = std::max<std::int64_t>(told - s.spent, 0);
    s.spent -= static_cast<std::uint32_t>(told - given_back);
    s.lease = static_cast<std::uint32_t>(answer.leased + given_back);
    s.is_known = true;
    s.closed_until = answer.wait_in > std::chrono::nanoseconds{0} ? now + answer.wait_in : clock::time_point{};
    became_due = !s.is_due && s.has_news(about.rule);
    s.is_due = s.is_due || became_due;
  }
  if (became_due) {
    enqueue(about.bucket);
  }
}

inline void limiter::settle(const report& about, unanswered why, clock::time_point now) {
  if (why == unanswered::uncertain) {
    // As if it had been heard and had got what it asked for: should it be so, then the lease is charged.
    settle(about, allowance{.leased = about.wanted}, now);
    return;
  }
  const std::uint64_t place = hash(about.bucket);
  const std::lock_guard guard{lock_of(place)};
  if (slot* const s = find(place, about.bucket)) {
    s->is_travelling = false;
    s->closed_until = {};
    s->spent -= std::min(s->spent, s->lease);
    s->lease = 0;
    s->is_known = false;
  }
}

}  // namespace coffer::limit
