// Keeps the server keys in memory what they are in the database, and tells the database when they were used.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "coffer/auth/key_ring.hpp"
#include "coffer/pg/pool.hpp"

namespace coffer::app {

/// The job. Lives on one thread, with that thread's pool. Without the database the last known keys stay in force.
class key_refresh {
 public:
  /// Uses are written this often, and once at the end.
  static constexpr std::chrono::seconds note_uses_every{60};

  /// `publish` is called on the job's thread whenever the keys have been read.
  key_refresh(net::executor ex, pg::pool& db, std::chrono::milliseconds every,
              std::function<void(std::shared_ptr<const auth::key_set>)> publish);

  /// Reads and writes until stop().
  net::task<> run();
  /// Reads at once. On any thread.
  void wake();
  /// On the job's thread.
  void stop();

 private:
  net::task<> read();
  net::task<> note_uses();

  net::executor executor_;
  net::steady_timer timer_;
  pg::pool& db_;
  std::chrono::milliseconds every_;
  std::function<void(std::shared_ptr<const auth::key_set>)> publish_;
  std::shared_ptr<const auth::key_set> keys_ = std::make_shared<const auth::key_set>();
  timestamp noted_until_{};
  bool failing_ = false;
  bool woken_ = false;
  bool stopping_ = false;
};

}  // namespace coffer::app
