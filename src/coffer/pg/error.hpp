// The one exception of the PostgreSQL client: what failed, what the server said, and whether it may have happened.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "coffer/base/assert.hpp"
#include "coffer/pg/sqlstate.hpp"

namespace coffer::pg {

/// What kind of trouble it was.
enum class failure : std::uint8_t {
  statement,  ///< the server refused a statement; the connection lives on unless connection_usable() is false
  lost,       ///< the connection ended while or before it was used
  timed_out,  ///< the client's deadline passed; the connection was dropped if anything had been sent
  connect,    ///< no connection could be made
  exhausted,  ///< the pool's limit of waiting callers was reached, or the wait for a connection was too long
  closed,     ///< the pool or the connection had been closed by this process
  protocol,   ///< an answer that this client cannot make sense of (COPY, results out of step)
};

/// The spelling for logs and metric labels.
const char* to_string(failure kind) noexcept;

/// Whether the server may have acted on what was asked.
enum class delivery : std::uint8_t {
  not_sent,  ///< nothing was written: certainly not executed, safe to run again
  answered,  ///< the server answered with the error: the transaction is rolled back, or waits for ROLLBACK
  unknown,   ///< something was written and the answer is missing: it may have been executed and committed
};

/// The spelling for logs and metric labels.
const char* to_string(delivery d) noexcept;

/// Thrown by connection and pool for everything that is not an ordinary result.
class error : public std::runtime_error {
 public:
  /// What is known besides the kind.
  struct details {
    sqlstate state = sqlstate::none;
    delivery delivered = delivery::not_sent;
    bool connection_usable = false;
    std::size_t statement_index = 0;
    std::string constraint;
  };

  error(failure kind, std::string message, details d);
  error(failure kind, std::string message) : error{kind, std::move(message), details{}} {}

  [[nodiscard]] failure kind() const noexcept { return kind_; }

  /// The message alone; what() has kind and SQLSTATE before it. For logs, never for clients.
  [[nodiscard]] const std::string& message() const noexcept { return message_; }

  /// What the server said, or 08006 and 08001 when the connection was lost or never made without a word of it.
  [[nodiscard]] sqlstate state() const noexcept { return details_.state; }

  /// Whether it may have been executed.
  [[nodiscard]] delivery delivered() const noexcept { return details_.delivered; }

  /// The same about work that changes nothing: whatever became of its answer, nothing was done.
  [[nodiscard]] error without_effect() const;

  /// Whether the server refused the statement for what it says, or for what the database holds: the same fails again.
  /// Anything else is trouble of the server, of the way to it, or with others, and passes.
  [[nodiscard]] bool refused() const noexcept {
    return delivered() == delivery::answered && !is_conflict(state()) && !is_timeout(state()) &&
           !is_server_unavailable(state());
  }

  /// Whether the connection can be used further (after a ROLLBACK if its state() says so). It is dropped otherwise.
  [[nodiscard]] bool connection_usable() const noexcept { return details_.connection_usable; }

  /// The index in its pipeline of the statement that failed; of the first one without an answer for lost connections.
  [[nodiscard]] std::size_t statement_index() const noexcept { return details_.statement_index; }

  /// The violated constraint's name, empty where there is none.
  [[nodiscard]] const std::string& constraint() const noexcept { return details_.constraint; }

 private:
  failure kind_;
  std::string message_;
  details details_;
};

inline const char* to_string(failure kind) noexcept {
  switch (kind) {
    case failure::statement:
      return "statement";
    case failure::lost:
      return "lost";
    case failure::timed_out:
      return "timed_out";
    case failure::connect:
      return "connect";
    case failure::exhausted:
      return "exhausted";
    case failure::closed:
      return "closed";
    case failure::protocol:
      return "protocol";
  }
  assertion_failed("every kind of failure has a spelling");
}

inline const char* to_string(delivery d) noexcept {
  switch (d) {
    case delivery::not_sent:
      return "not_sent";
    case delivery::answered:
      return "answered";
    case delivery::unknown:
      return "unknown";
  }
  assertion_failed("every kind of delivery has a spelling");
}

inline std::string to_string(sqlstate state) {
  std::string text(5, '0');
  auto rest = static_cast<std::uint32_t>(state);
  for (std::size_t i = text.size(); i-- > 0; rest /= 36) {
    const std::uint32_t digit = rest % 36;
    text[i] = static_cast<char>(digit < 10 ? '0' + digit : 'A' + (digit - 10));
  }
  return text;
}

inline error::error(failure kind, std::string message, details d)
    : std::runtime_error{fmt::format("postgresql {} [{}]: {}", to_string(kind), to_string(d.state), message)},
      kind_{kind},
      message_{std::move(message)},
      details_{std::move(d)} {}

inline error error::without_effect() const {
  details known = details_;
  if (known.delivered == delivery::unknown) {
    known.delivered = delivery::not_sent;
  }
  return error{kind_, message_, std::move(known)};
}

}  // namespace coffer::pg
