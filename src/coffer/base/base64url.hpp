// Base64url without padding (RFC 4648 section 5), as tokens and keys spell bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace coffer {

/// The bytes of unpadded base64url. Nullopt for any other character, an impossible length, or bits left over that are
/// not zero: a text has one spelling.
std::optional<std::string> from_base64url(std::string_view text);

/// The spelling of these bytes.
std::string to_base64url(std::string_view bytes);

}  // namespace coffer
