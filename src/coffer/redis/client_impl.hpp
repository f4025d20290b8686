// What is behind client: connecting, logging in, the line of commands, their deadlines, the breaker.
#pragma once

#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "coffer/base/backoff.hpp"
#include "coffer/base/log.hpp"
#include "coffer/net/watchdog.hpp"
#include "coffer/redis/breaker.hpp"
#include "coffer/redis/client.hpp"
#include "coffer/redis/client_metrics.hpp"
#include "coffer/redis/encode.hpp"
#include "coffer/redis/line.hpp"
#include "coffer/redis/login.hpp"
#include "coffer/redis/reader.hpp"
#include "coffer/redis/transport.hpp"
#include "coffer/redis/url.hpp"

namespace coffer::redis {

/// Held by the client and by coroutines that are inside a call of it.
class client::impl final : public std::enable_shared_from_this<impl>, public transport_owner {
 public:
  impl(net::executor ex, options how, server_url where, std::shared_ptr<const net::tls_context> tls);
  ~impl();

  void start();
  /// Disconnects for good and ends what waits. Harmless when repeated.
  void stop();

  /// Puts a command into the line, or calls `done` at once.
  void enqueue(std::span<const std::string_view> arguments, callback done);
  void flush();
  /// flush() after the handlers that are ready to run now, which may add to it.
  void flush_soon();

  [[nodiscard]] bool available() const noexcept;
  [[nodiscard]] const std::string& server_run() const noexcept { return server_run_; }
  [[nodiscard]] const std::string& refusal() const noexcept { return refusal_; }
  [[nodiscard]] std::size_t pending() const noexcept { return line_.size(); }
  [[nodiscard]] const net::executor& executor() const noexcept { return executor_; }

 private:
  enum class state : std::uint8_t {
    waiting,     ///< for the next attempt to connect
    connecting,  ///< commands are collected
    logging_in,  ///< commands are collected
    ready,
    stopped,
  };

  void on_connected() override;
  void on_bytes(std::string_view bytes) override;
  void on_lost(const std::string& why) override;

  void connect();
  void take_login(const reply& answer);
  void take_reply(reply answer);
  /// The server cannot be used. As lose(); said once for each reason.
  void refuse(std::string why);
  /// Gives the connection up (empty `why`: that has been told), ends all commands (with `first`, if there is one, that
  /// in front) and plans the next attempt.
  void lose(std::string_view why, std::optional<failure> first = std::nullopt);
  /// What becomes of commands when the connection ends now. Before the login is complete they are only collected.
  [[nodiscard]] failure cut_off() const noexcept {
    return state_ == state::ready ? failure::lost : failure::unavailable;
  }
  void disconnect();
  /// Tells the breaker; true when that opened it.
  bool note_failure();
  void note_success();
  void on_command_expiry();
  void on_connect_timer();
  void arm();
  [[nodiscard]] std::size_t unsent_bytes() const noexcept;

  net::executor executor_;
  options options_;
  server_url url_;
  std::shared_ptr<const net::tls_context> tls_;
  state state_ = state::waiting;
  std::shared_ptr<transport> transport_;
  std::unique_ptr<reader> reader_;
  std::unique_ptr<login> login_;
  std::string collected_;  ///< commands given before the login was complete
  line<callback> line_;
  breaker breaker_;
  int connect_failures_ = 0;  ///< since a reply came
  std::minstd_rand random_;
  std::string server_run_ = "-";
  std::string refusal_;  ///< of the server that answered last
  bool flush_planned_ = false;
  // Gone after stop(), so that no timer keeps the event loop busy.
  std::optional<net::watchdog> command_timer_;
  std::optional<net::watchdog> connect_timer_;  ///< of the attempt, or until the next one
};

namespace detail {

using clock = std::chrono::steady_clock;

/// Between attempts to connect.
inline constexpr std::chrono::milliseconds shortest_pause{50};
inline constexpr std::chrono::milliseconds longest_pause{1000};
/// Until a server that cannot be used is tried again.
inline constexpr std::chrono::milliseconds refused_pause{2000};

/// Stands for the run of a server that does not tell it: 96 random bits.
inline std::string unnamed_run() {
  std::random_device device;
  return fmt::format("unnamed-{:08x}{:08x}{:08x}", device(), device(), device());
}

inline void fail(callback& done, failure why) {
  client_metrics::get().count_failure(why);
  if (done) {
    done(std::unexpected(why));
  }
}

}  // namespace detail

inline client::impl::impl(net::executor ex, options how, server_url where, std::shared_ptr<const net::tls_context> tls)
    : executor_{std::move(ex)},
      options_{std::move(how)},
      url_{std::move(where)},
      tls_{std::move(tls)},
      breaker_{options_.breaker_failures, options_.breaker_open},
      random_{std::random_device{}()} {
  command_timer_.emplace(executor_, [this] { on_command_expiry(); });
  connect_timer_.emplace(executor_, [this] { on_connect_timer(); });
}

inline client::impl::~impl() { disconnect(); }

inline void client::impl::start() { connect(); }

inline void client::impl::connect() {
  state_ = state::connecting;
  reader_ = std::make_unique<reader>();
  login_ = std::make_unique<login>(url_);
  transport_ = std::make_shared<transport>(executor_, *this, tls_);
  connect_timer_->arm(net::deadline_in(options_.connect_timeout));
  transport_->open(url_);
}

inline void client::impl::on_connect_timer() {
  if (state_ == state::waiting) {
    connect();
  } else if (state_ == state::connecting || state_ == state::logging_in) {
    lose(state_ == state::connecting ? "connecting timed out" : "logging in timed out");
  }
}

inline void client::impl::on_connected() {
  state_ = state::logging_in;
  transport_->unsent() += login_->request();
  transport_->flush();
}

inline void client::impl::on_bytes(std::string_view bytes) {
  reader_->feed(bytes);
  while (reader_) {  // which lose() takes away
    reply answer;
    switch (reader_->next(answer)) {
      case read_result::partial:
        return;
      case read_result::broken:
        return lose("what came is not RESP2", failure::protocol);
      case read_result::reply:
        break;
    }
    if (state_ == state::logging_in) {
      take_login(answer);
    } else {
      take_reply(std::move(answer));
    }
  }
}

inline void client::impl::take_login(const reply& answer) {
  if (auto why = login_->take(answer)) {
    return refuse(*std::move(why));
  }
  if (!login_->complete()) {
    return;
  }
  server_run_ = login_->server_run().empty() ? detail::unnamed_run() : login_->server_run();
  connect_timer_->disarm();
  state_ = state::ready;
  client_metrics::get().connects.add();
  client_metrics::get().connected.add(1);
  log::info("redis connected", {{"address", url_.to_string()}, {"run_id", server_run_}});
  if (login_->server_run().empty()) {
    log::warn("redis does not tell its run_id",
              {{"address", url_.to_string()},
               {"remedy", "allow this user INFO; until then connections share no cached inventories"}});
  }
  transport_->unsent() += std::exchange(collected_, {});
  transport_->flush();
}

inline void client::impl::take_reply(reply answer) {
  if (line_.empty()) {
    return lose("a reply came that nothing had asked for", failure::protocol);
  }
  client_metrics::get().pending.add(-1);
  std::optional<callback> done = line_.take();
  if (!done) {
    return;  // abandoned: its caller was told of a timeout
  }
  note_success();
  arm();
  // Of a server that does not say in INFO what it is.
  const std::string_view code = answer.error_code();
  const bool clustered = code == "MOVED" || code == "CROSSSLOT" || code == "CLUSTERDOWN";
  if (*done) {
    (*done)(std::move(answer));
  }
  if (!clustered) {
    refusal_.clear();
  } else {
    refuse(std::string{cluster_refusal});
  }
}

inline void client::impl::refuse(std::string why) {
  if (why != refusal_) {
    refusal_ = std::move(why);
    log::warn("redis cannot be used", {{"address", url_.to_string()}, {"reason", refusal_}});
  }
  lose({});
}

inline void client::impl::on_lost(const std::string& why) { lose(why); }

inline void client::impl::lose(std::string_view why, std::optional<failure> first) {
  const bool was_ready = state_ == state::ready;
  const failure others = cut_off();
  disconnect();
  state_ = state::waiting;
  client_metrics::get().losses.add();
  if (!why.empty() && (was_ready || connect_failures_ == 0)) {
    // Later attempts fail in silence until one succeeds.
    log::warn("redis connection lost", {{"address", url_.to_string()}, {"reason", why}, {"connected", was_ready}});
  }
  if (was_ready && !breaker_.is_open()) {
    note_failure();
  }
  std::vector<callback> ended = line_.clear();
  arm();
  const auto pause = why.empty() ? detail::refused_pause
                                 : backoff(detail::shortest_pause, detail::longest_pause, connect_failures_++, random_);
  connect_timer_->arm(net::deadline_in(pause));
  for (callback& done : ended) {
    detail::fail(done, std::exchange(first, std::nullopt).value_or(others));
  }
}

inline void client::impl::disconnect() {
  if (state_ == state::ready) {
    client_metrics::get().connected.add(-1);
  }
  client_metrics::get().pending.add(-static_cast<double>(line_.size()));
  if (transport_) {
    std::exchange(transport_, nullptr)->close();
  }
  reader_.reset();
  login_.reset();
  collected_.clear();
}

inline void client::impl::stop() {
  if (state_ == state::stopped) {
    return;
  }
  const failure how = cut_off();
  disconnect();
  state_ = state::stopped;
  note_success();  // so that the gauge does not count a client that is gone
  command_timer_.reset();
  connect_timer_.reset();
  for (callback& done : line_.clear()) {
    detail::fail(done, how);
  }
}

inline void client::impl::enqueue(std::span<const std::string_view> arguments, callback done) {
  client_metrics::get().commands.add();
  const auto now = detail::clock::now();
  if (state_ == state::waiting || state_ == state::stopped) {
    return detail::fail(done, failure::unavailable);
  }
  if (line_.size() >= options_.max_pending || unsent_bytes() >= options_.max_unsent_bytes) {
    return detail::fail(done, failure::overloaded);
  }
  if (!breaker_.admit(now)) {
    return detail::fail(done, failure::breaker_open);
  }
  append_command(state_ == state::ready ? transport_->unsent() : collected_, arguments);
  line_.push(std::move(done), now + options_.command_timeout);
  client_metrics::get().pending.add(1);
  arm();
}

inline void client::impl::flush() {
  if (state_ == state::ready) {
    transport_->flush();
  }
}

inline void client::impl::flush_soon() {
  if (flush_planned_ || state_ != state::ready) {
    return;
  }
  flush_planned_ = true;
  asio::post(executor_, [self = shared_from_this()] {
    self->flush_planned_ = false;
    self->flush();
  });
}

inline bool client::impl::available() const noexcept {
  return state_ == state::ready && breaker_.would_admit(detail::clock::now()) && line_.size() < options_.max_pending;
}

inline std::size_t client::impl::unsent_bytes() const noexcept {
  return state_ == state::ready ? transport_->unsent_bytes() : collected_.size();
}

inline bool client::impl::note_failure() {
  const bool was_open = breaker_.is_open();
  const bool opened = breaker_.failed(detail::clock::now());
  if (!was_open && opened) {
    client_metrics::get().breakers_open.add(1);
  }
  return opened;
}

inline void client::impl::note_success() {
  if (breaker_.is_open()) {
    client_metrics::get().breakers_open.add(-1);
  }
  breaker_.succeeded();
  connect_failures_ = 0;
}

inline void client::impl::on_command_expiry() {
  if (state_ == state::ready) {
    // A loop that was busy elsewhere is not a slow Redis: what has arrived counts as in time.
    transport_->read_available();
  }
  bool opened = false;
  const auto now = detail::clock::now();
  while (std::optional<callback> done = line_.expire(now)) {
    opened = note_failure() || opened;
    detail::fail(*done, failure::timeout);
  }
  if (opened && state_ == state::ready) {
    lose("too many commands in a row timed out");
  } else {
    arm();
  }
}

inline void client::impl::arm() {
  const auto next = line_.next_expiry();
  if (!command_timer_) {
    return;
  }
  if (next) {
    command_timer_->arm(*next);
  } else {
    command_timer_->disarm();
  }
}

}  // namespace coffer::redis
