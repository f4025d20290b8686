// What can happen that an app is told of.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "coffer/domain/transaction.hpp"

namespace coffer::domain {

/// A kind of event. Those of transactions are in the order of transaction_kind, completed ones before failed ones.
enum class event_type : std::uint8_t {
  deposit_completed,
  purchase_completed,
  use_completed,
  refund_completed,
  grant_completed,
  deposit_failed,
  purchase_failed,
  use_failed,
  refund_failed,
  grant_failed,
  user_created,
  product_changed,
};

/// As the contract spells them, in the order of the enumeration.
inline constexpr std::array<std::string_view, 12> event_types = {
    "deposit.completed", "purchase.completed", "use.completed",   "refund.completed",
    "grant.completed",   "deposit.failed",     "purchase.failed", "use.failed",
    "refund.failed",     "grant.failed",       "user.created",    "product.changed"};

inline constexpr std::string_view to_string(event_type type) { return event_types[static_cast<std::size_t>(type)]; }

/// The type of that spelling, or nullopt.
inline std::optional<event_type> event_type_from_string(std::string_view text) {
  for (std::size_t i = 0; i < event_types.size(); ++i) {
    if (event_types.at(i) == text) {
      return static_cast<event_type>(i);
    }
  }
  return std::nullopt;
}

namespace detail {

inline constexpr int transaction_kinds = static_cast<int>(transaction_kind::grant);

}  // namespace detail

/// The type of the event of a journal row; nullopt for a row that only a newer version knows.
inline std::optional<event_type> type_of(const transaction& row) {
  const int kind = static_cast<int>(row.kind) - 1;
  if (kind < 0 || kind >= detail::transaction_kinds || row.status == transaction_status::pending) {
    return std::nullopt;
  }
  return static_cast<event_type>(row.status == transaction_status::failed ? kind + detail::transaction_kinds : kind);
}

/// Some types of events.
class event_types_wanted {
 public:
  /// All but those of what failed, which are told to those who ask for them by name.
  static constexpr event_types_wanted usual() {
    event_types_wanted all;
    for (std::size_t i = 0; i < event_types.size(); ++i) {
      const auto each = static_cast<event_type>(i);
      if (each < event_type::deposit_failed || each > event_type::grant_failed) {
        all.add(each);
      }
    }
    return all;
  }

  /// Those of bits(); bits of types that only a newer version knows count for nothing.
  static constexpr event_types_wanted from_bits(std::uint16_t bits) {
    event_types_wanted some;
    some.bits_ = bits & static_cast<std::uint16_t>((1U << event_types.size()) - 1U);
    return some;
  }

  constexpr void add(event_type type) { bits_ |= bit(type); }
  [[nodiscard]] constexpr bool contain(event_type type) const { return (bits_ & bit(type)) != 0; }
  /// Bit by bit, in the order of the enumeration.
  [[nodiscard]] constexpr std::uint16_t bits() const { return bits_; }
  friend constexpr bool operator==(event_types_wanted, event_types_wanted) = default;

 private:
  static constexpr std::uint16_t bit(event_type type) {
    return static_cast<std::uint16_t>(1U << static_cast<unsigned>(type));
  }
  std::uint16_t bits_ = 0;
};

}  // namespace coffer::domain
