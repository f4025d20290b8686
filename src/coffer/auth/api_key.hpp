// A server key as text: making one, and telling one that cannot be right without asking anybody.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "coffer/base/hash.hpp"

namespace coffer::auth {

/// What a key is for. Test keys open only servers that are told to accept them.
enum class key_kind : std::uint8_t { live, test };

/// A new key: "cof_live_" or "cof_test_", 32 random characters of 0-9 A-Z a-z (190 bits from getrandom(2)) and 6 of a
/// checksum. Throws std::system_error when the system has no randomness.
std::string make_key(key_kind kind);

/// What the text of a key tells by itself: its kind and the digest under which it is stored. Nullopt when it has not
/// the form or the checksum of a key: a typing error, or somebody who guesses.
struct key_text {
  key_kind kind;
  sha256_digest digest;
};
std::optional<key_text> read_key(std::string_view text);

/// The end of a key, by which people tell keys apart: too little to guess the rest from.
std::string_view hint_of(std::string_view key);

}  // namespace coffer::auth
