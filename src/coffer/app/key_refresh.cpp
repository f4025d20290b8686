#include "coffer/app/key_refresh.hpp"

#include "coffer/base/log.hpp"
#include "coffer/base/metrics.hpp"
#include "coffer/service/database.hpp"
#include "coffer/store/keys_store.hpp"

namespace coffer::app {

namespace {

constexpr std::chrono::seconds refresh_step_time{2};

}  // namespace

key_refresh::key_refresh(net::executor ex, pg::pool& db, std::chrono::milliseconds every,
                         std::function<void(std::shared_ptr<const auth::key_set>)> publish)
    : executor_{ex}, timer_{ex}, db_{db}, every_{every}, publish_{std::move(publish)} {}

void key_refresh::wake() {
  asio::post(executor_, [this] {
    woken_ = true;
    timer_.cancel();
  });
}

void key_refresh::stop() {
  stopping_ = true;
  timer_.cancel();
}

net::task<> key_refresh::run() {
  net::deadline note_at = net::deadline_in(note_uses_every);
  while (!stopping_) {
    woken_ = false;
    co_await read();
    if (std::chrono::steady_clock::now() >= note_at) {
      co_await note_uses();
      note_at = net::deadline_in(note_uses_every);
    }
    if (!woken_ && !stopping_) {
      timer_.expires_after(every_);
      co_await timer_.async_wait(net::as_tuple);
    }
  }
  co_await note_uses();
}

net::task<> key_refresh::read() {
  const net::deadline until = net::deadline_in(refresh_step_time);
  const auto load = [until](pg::connection& db) { return store::load_keys(db, until); };
  try {
    const std::vector<auth::key_record> records = co_await service::with_connection(db_, until, true, load);
    keys_ = std::make_shared<const auth::key_set>(records, *keys_);
    static const metrics::gauge in_force =
        metrics::make_gauge("coffer_auth_keys", "Server keys in force, as this process knows them");
    in_force.set(static_cast<double>(keys_->size()));
    publish_(keys_);
    failing_ = false;
  } catch (const pg::error& e) {
    metrics::make_counter("coffer_auth_key_refresh_failures_total", "Reads of the server keys that failed").add();
    if (!failing_ || !e.refused()) {
      log::write(e.refused() ? log::level::warn : log::level::debug, "server keys could not be read",
                 {{"message", e.what()}, {"remedy", "the last known ones stay in force"}});
    }
    failing_ = e.refused();
  }
}

net::task<> key_refresh::note_uses() {
  const timestamp now_noted = now();
  std::vector<std::pair<std::int64_t, timestamp>> uses = keys_->used_since(noted_until_);
  if (uses.empty()) {
    co_return;
  }
  const net::deadline until = net::deadline_in(refresh_step_time);
  const auto note = [&uses, until](pg::connection& db) { return store::note_key_uses(db, uses, until); };
  try {
    co_await service::with_connection(db_, until, true, note);
    // Uses are noted to the second: those of this one may still come.
    noted_until_ = std::chrono::floor<std::chrono::seconds>(now_noted) - std::chrono::seconds{1};
  } catch (const pg::error& e) {
    log::write(e.refused() ? log::level::warn : log::level::debug, "the uses of server keys could not be written",
               {{"message", e.what()}, {"remedy", "tried again"}});
  }
}

}  // namespace coffer::app
