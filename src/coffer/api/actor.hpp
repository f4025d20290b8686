// Who asked for a row: out of the credentials, as answers show it, and as a filter spells it.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "coffer/api/list_query.hpp"
#include "coffer/api/shape.hpp"
#include "coffer/auth/principal.hpp"
#include "coffer/domain/transaction.hpp"

namespace coffer::api {

/// The sender of a request as the journal will know it.
inline domain::actor actor_of(const auth::principal& who) {
  if (who.only) {
    return domain::actor::player();
  }
  return who.key != 0 ? domain::actor::server_key(who.key) : domain::actor{};
}

/// An actor as an object of answers: one of the two.
struct shown_actor {
  std::optional<std::int64_t> key;
  std::optional<std::int64_t> player;
};

/// Who asked for the row; nullopt: nobody who is known.
inline std::optional<shown_actor> shown_actor_of(const domain::transaction& row) {
  if (!row.by.is_known()) {
    return std::nullopt;
  }
  return row.by.is_player() ? shown_actor{.key = std::nullopt, .player = row.user.value}
                            : shown_actor{.key = row.by.key(), .player = std::nullopt};
}

inline constexpr note actor_note{
    .text = "Who asked for it; null where that is not known: without authentication, or by the command line."};

template <typename Sink>
void members_of(Sink& out, const shown_actor& who) {
  out.called("Actor");
  out.if_any("key", who.key, {.text = "The id of the server key.", .minimum = 1, .maximum = max_json_integer});
  out.if_any("player", who.player,
             {.text = "The id of the user, whose own token it was.", .minimum = 1, .maximum = max_json_integer});
}

inline constexpr query_parameter actor_parameter{
    .name = "actor",
    .type = "string",
    .text =
        "Only transactions that this one asked for: `key:12` a server key by its id, `player` the user himself, "
        "`none` nobody who is known.",
    .pattern = "^(key:[1-9][0-9]{0,15}|player|none)$"};

namespace detail {
inline constexpr std::string_view actor_key = "key:";
inline constexpr std::string_view actor_player = "player";
inline constexpr std::string_view actor_nobody = "none";
}  // namespace detail

/// As actor_parameter spells it.
inline std::string spell(domain::actor who) {
  if (const auto key = who.key()) {
    return fmt::format("{}{}", detail::actor_key, *key);
  }
  return std::string{who.is_player() ? detail::actor_player : detail::actor_nobody};
}

/// What spell() gave; nullopt for anything else.
inline std::optional<domain::actor> actor_from_string(std::string_view text) {
  if (text == detail::actor_player) {
    return domain::actor::player();
  }
  if (text == detail::actor_nobody) {
    return domain::actor{};
  }
  if (!text.starts_with(detail::actor_key)) {
    return std::nullopt;
  }
  const std::string_view digits = text.substr(detail::actor_key.size());
  std::int64_t id = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
  const bool whole = failure == std::errc{} && end == digits.data() + digits.size();
  if (!whole || digits.front() == '0' || id < 1 || id > max_json_integer) {
    return std::nullopt;
  }
  return domain::actor::server_key(id);
}

}  // namespace coffer::api
