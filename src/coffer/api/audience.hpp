// For whom an answer is. Every function that writes a journal row asks, so that none shows a player what is for
// operators.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "coffer/auth/principal.hpp"
#include "coffer/domain/transaction.hpp"

namespace coffer::api {

/// Who reads an answer.
enum class audience : std::uint8_t { operators, player };

/// A server key is an operator's, and so is everybody on a server without credentials.
inline audience audience_of(const auth::principal& who) { return who.only ? audience::player : audience::operators; }

/// A row as one of the two sees it.
struct shown_transaction {
  const domain::transaction& row;
  audience to = audience::player;

  /// Whether the row has a note that may be seen.
  [[nodiscard]] bool has_note() const { return !row.note.empty() && (to == audience::operators || row.note_public); }
  /// The note of a grant or refund; empty where there is none to be seen.
  [[nodiscard]] std::string_view note() const { return has_note() ? std::string_view{row.note} : std::string_view{}; }
  /// Whether players see the note; for operators alone.
  [[nodiscard]] std::optional<bool> note_public() const {
    return to == audience::operators && !row.note.empty() ? std::optional{row.note_public} : std::nullopt;
  }
};

}  // namespace coffer::api
