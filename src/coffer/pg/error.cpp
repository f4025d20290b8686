#include "coffer/pg/error.hpp"

#include <utility>

#include <fmt/format.h>

#include "coffer/base/assert.hpp"

namespace coffer::pg {

const char* to_string(failure kind) noexcept {
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

const char* to_string(delivery d) noexcept {
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

std::string to_string(sqlstate state) {
  std::string text(5, '0');
  auto rest = static_cast<std::uint32_t>(state);
  for (std::size_t i = text.size(); i-- > 0; rest /= 36) {
    const std::uint32_t digit = rest % 36;
    text[i] = static_cast<char>(digit < 10 ? '0' + digit : 'A' + (digit - 10));
  }
  return text;
}

error::error(failure kind, std::string message, details d)
    : std::runtime_error{fmt::format("postgresql {} [{}]: {}", to_string(kind), to_string(d.state), message)},
      kind_{kind},
      message_{std::move(message)},
      details_{std::move(d)} {}

error error::without_effect() const {
  details known = details_;
  if (known.delivered == delivery::unknown) {
    known.delivered = delivery::not_sent;
  }
  return error{kind_, message_, std::move(known)};
}

}  // namespace coffer::pg
