// Who asked for a change.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>

namespace coffer::domain {

/// A server key, the player himself, or nobody who is known: a server without authentication, the command line.
class actor {
 public:
  constexpr actor() = default;

  static constexpr actor server_key(std::int64_t id) { return actor{id}; }
  /// A player's token opens his own wallet alone, so the row's user says which player it was.
  static constexpr actor player() { return actor{players_number}; }
  /// What stored() gave.
  static constexpr actor from_stored(std::optional<std::int64_t> number) { return number ? actor{*number} : actor{}; }

  /// As the journal has it: the id of the key, 0 for the player, null for nobody.
  [[nodiscard]] constexpr std::optional<std::int64_t> stored() const noexcept { return number_; }
  [[nodiscard]] constexpr bool is_known() const noexcept { return number_.has_value(); }
  [[nodiscard]] constexpr bool is_player() const noexcept { return number_ == players_number; }
  /// The id of the server key; nullopt: it was none.
  [[nodiscard]] constexpr std::optional<std::int64_t> key() const noexcept {
    return is_player() ? std::nullopt : number_;
  }

  friend constexpr bool operator==(actor, actor) = default;

 private:
  /// Stored: never renumber.
  static constexpr std::int64_t players_number = 0;

  constexpr explicit actor(std::int64_t number) : number_{number} {}

  std::optional<std::int64_t> number_;
};

}  // namespace coffer::domain
