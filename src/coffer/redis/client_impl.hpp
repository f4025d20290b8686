// What is behind client: connecting, logging in, the line of commands, their deadlines, the breaker.
#pragma once

#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>

#include "coffer/net/watchdog.hpp"
#include "coffer/redis/backoff.hpp"
#include "coffer/redis/breaker.hpp"
#include "coffer/redis/client.hpp"
#include "coffer/redis/line.hpp"
#include "coffer/redis/login.hpp"
#include "coffer/redis/reader.hpp"
#include "coffer/redis/transport.hpp"
#include "coffer/redis/url.hpp"

namespace coffer::redis {

/// Held by the client and by coroutines that are inside a call of it.
class client::impl final : public std::enable_shared_from_this<impl>, public transport_owner {
 public:
  impl(net::executor ex, options how, address where, std::shared_ptr<const net::tls_context> tls);
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
  address address_;
  std::shared_ptr<const net::tls_context> tls_;
  state state_ = state::waiting;
  std::shared_ptr<transport> transport_;
  std::unique_ptr<reader> reader_;
  std::unique_ptr<login> login_;
  std::string collected_;  ///< commands given before the login was complete
  line<callback> line_;
  breaker breaker_;
  backoff backoff_;
  std::minstd_rand random_;
  std::string server_run_ = "-";
  std::string refusal_;  ///< of the server that answered last
  bool flush_planned_ = false;
  // Gone after stop(), so that no timer keeps the event loop busy.
  std::optional<net::watchdog> command_timer_;
  std::optional<net::watchdog> connect_timer_;  ///< of the attempt, or until the next one
};

}  // namespace coffer::redis
