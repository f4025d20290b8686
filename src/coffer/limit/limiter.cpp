#include "coffer/limit/limiter.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "coffer/base/assert.hpp"
#include "coffer/base/metrics.hpp"

namespace coffer::limit {

namespace {

constexpr std::size_t ways = 8;
constexpr std::size_t stripe_count = 256;
/// A process lets pass this part of a quota between two statements: first untold, so that a user who comes once costs
/// nobody a command, then out of a lease.
constexpr std::int64_t share_of(const policy& p) { return p.quota / 8; }

const metrics::counter& evictions() {
  static const metrics::counter count = metrics::make_counter(
      "coffer_limiter_evictions_total", "Buckets forgotten before they were full again, for want of room");
  return count;
}

/// The finaliser of MurmurHash3 (public domain): every bit of the input reaches every bit of the output.
std::uint64_t mix(std::uint64_t x) {
  x ^= x >> 33U;
  x *= 0xff51afd7ed558ccdULL;
  x ^= x >> 33U;
  x *= 0xc4ceb9fe1a85ec53ULL;
  return x ^ (x >> 33U);
}

}  // namespace

struct limiter::slot {
  bucket_id bucket;                  ///< class none: the slot is free
  arrival owed;                      ///< of this process
  clock::time_point closed_until{};  ///< what the other processes have left is used up until then
  std::uint32_t spent = 0;           ///< since the last statement
  std::uint32_t lease = 0;           ///< of that, covered by the last grant
  bool is_known = false;             ///< to the others, since it was last quiet
  bool is_due = false;
  bool is_travelling = false;  ///< a statement about it has no answer yet

  /// Whether the others should hear of what was spent.
  [[nodiscard]] bool has_news(const policy& p) const { return spent > (is_known ? lease : share_of(p)); }
  /// A whole window has passed since it was full here: what was used, told or leased before has been earned again in
  /// the eyes of everybody. That it is full here says nothing, because others may use it as well.
  [[nodiscard]] bool was_quiet(const policy& p, clock::time_point now) const { return owed.at + p.window <= now; }
  void forget_telling() {
    spent = lease = 0;
    is_known = is_due = false;
  }
  /// What a statement would tell. The first one leaves out what was earned again here: it is of the share, or of a time
  /// when nobody listened.
  [[nodiscard]] std::int64_t untold(const policy& p, clock::time_point now) const {
    return is_known ? std::int64_t{spent} - lease : std::min<std::int64_t>(spent, owed.owed(p, now));
  }
};

struct alignas(64) limiter::stripe {
  std::mutex mutex;
};

limiter::limiter(const limiter_options& how, std::function<void()> wake) : how_{how}, wake_{std::move(wake)} {
  if (std::any_of(how_.by_class.begin(), how_.by_class.end(), [](const policies& p) { return p.any(); })) {
    sets_ = std::bit_ceil(std::max<std::size_t>(how_.capacity / ways, stripe_count));
    slots_ = std::make_unique<slot[]>(sets_ * ways);
    stripes_ = std::make_unique<stripe[]>(stripe_count);
  }
}

limiter::~limiter() = default;

std::uint64_t limiter::hash(const bucket_id& bucket) const {
  const auto name = static_cast<std::uint64_t>(bucket.what) * dimension_count + static_cast<std::uint64_t>(bucket.by);
  return mix(mix(mix(how_.seed ^ name) ^ bucket.of.high) ^ bucket.of.low);
}

std::mutex& limiter::lock_of(std::uint64_t hash) { return stripes_[hash % stripe_count].mutex; }

/// The bucket's slot, or null. Under the stripe's lock: a set lies in one stripe, because there are at least as many
/// sets as stripes and both are powers of two.
limiter::slot* limiter::find(std::uint64_t hash, const bucket_id& bucket) {
  slot* const first = &slots_[(hash & (sets_ - 1)) * ways];
  slot* const end = first + ways;
  slot* const found = std::find_if(first, end, [&](const slot& s) { return s.bucket == bucket; });
  return found == end ? nullptr : found;
}

/// A slot for a bucket that has none: one that is free, or whose bucket owes least. Under the stripe's lock.
limiter::slot& limiter::claim(std::uint64_t hash, const bucket_id& bucket, clock::time_point now) {
  slot* const first = &slots_[(hash & (sets_ - 1)) * ways];
  slot& least =
      *std::min_element(first, first + ways, [](const slot& a, const slot& b) { return a.owed.at < b.owed.at; });
  if (least.bucket.what != route_class::none && least.owed.at > now) {
    evictions().add();
  }
  least = slot{};
  least.bucket = bucket;
  return least;
}

verdict limiter::take(const bucket_id& bucket, clock::time_point now, std::int64_t count) {
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

void limiter::give_back(const bucket_id& bucket, std::int64_t count) {
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
void limiter::enqueue(const bucket_id& bucket) {
  bool first = false;
  {
    const std::lock_guard guard{due_mutex_};
    if (due_.size() >= 2 * sets_ * ways) {
      return;
    }
    first = due_.empty();
    due_.push_back(bucket);
  }
  if (first && wake_) {
    wake_();
  }
}

bool limiter::has_due() {
  const std::lock_guard guard{due_mutex_};
  return !due_.empty();
}

std::vector<statement> limiter::due(std::size_t most, clock::time_point now) {
  std::vector<bucket_id> buckets;
  {
    const std::lock_guard guard{due_mutex_};
    const auto end = due_.begin() + static_cast<std::ptrdiff_t>(std::min(most, due_.size()));
    buckets.assign(due_.begin(), end);
    due_.erase(due_.begin(), end);
  }
  std::vector<statement> all;
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
                     .wanted = share_of(p),
                     .spent = s.spent,
                     .full_in = s.owed.at - now});
      s.is_travelling = true;
    }
  }
  return all;
}

void limiter::settle(const statement& about, const grant& answer, clock::time_point now) {
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

void limiter::settle(const statement& about, unanswered why, clock::time_point now) {
  if (why == unanswered::uncertain) {
    // As if it had been heard and had got what it asked for: should it be so, then the lease is charged.
    settle(about, grant{.leased = about.wanted}, now);
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
