// Who has asked how often: one table for all threads of the process. Knows no Redis: see exchange.hpp.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

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
struct statement {
  bucket_id bucket;
  policy rule;
  std::int64_t owed = 0;    ///< used beyond the lease
  std::int64_t wanted = 0;  ///< requests to lease
  std::int64_t spent = 0;   ///< as settle() wants it back
  /// Until all that was used here is earned again, if nobody else used anything; negative: since it was.
  std::chrono::nanoseconds full_in{0};
};

/// What the other processes leave to a bucket.
struct grant {
  std::int64_t leased = 0;              ///< requests that this process may let pass without asking
  std::chrono::nanoseconds wait_in{0};  ///< beyond those: nothing for so long
};

/// What became of a statement without an answer.
enum class unanswered : std::uint8_t {
  not_sent,   ///< nobody has heard it
  uncertain,  ///< it may have been heard, or may be yet
};

struct limiter_options {
  std::array<policies, route_class_count> by_class{};
  std::size_t capacity = 131072;  ///< buckets, 56 bytes each, rounded up to a power of two
  bool shared = false;            ///< whether statements are made for other processes
  std::uint64_t seed = 0;         ///< of the hash: a secret
};

/// Thread-safe; a look-up takes one lock that hardly anybody holds. A bucket nobody owes anything in is forgotten as
/// soon as its place is wanted; where all eight places of a bucket are busy the one that owes least is forgotten and
/// counted (coffer_limiter_evictions_total).
class limiter {
 public:
  /// `wake` is called, on any thread, when statements have become due after there were none.
  explicit limiter(const limiter_options& how, std::function<void()> wake = {});
  ~limiter();
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

  /// Whether there may be statements.
  [[nodiscard]] bool has_due();
  /// Up to `most` statements that are due at `now`, the oldest first; fewer, even none, when some have come to nothing.
  std::vector<statement> due(std::size_t most, clock::time_point now);
  /// The answer to a statement that was sent at `now`.
  void settle(const statement& about, const grant& answer, clock::time_point now);
  /// There was none, and each process is on its own. What nobody has heard is told with the next use; what may have
  /// been heard, or may be yet, never again: better that a little is missing than that it is charged over and over.
  void settle(const statement& about, unanswered why, clock::time_point now);

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

}  // namespace coffer::limit
