// UTF-8 and escaping for whatever leaves the process as JSON. Knows no values, only bytes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace coffer {

/// The length in bytes, 1 to 4, of the well-formed UTF-8 sequence that `text` begins with (Unicode, table 3-7); 0 when
/// there is none.
std::size_t utf8_sequence(std::string_view text) noexcept;

/// Whether UTF-8 has a character that can be seen: neither a space nor one of Unicode's Default_Ignorable_Code_Point
/// (zero-width spaces and joiners, variation selectors, marks of direction).
bool has_visible(std::string_view utf8) noexcept;

/// As much of the front of `text` as fits `max_bytes` without cutting a character in two.
std::string_view truncate(std::string_view text, std::size_t max_bytes) noexcept;

/// Appends `text` as the inside of a JSON string (RFC 8259 section 7). The result is valid whatever the bytes are: what
/// is not UTF-8 becomes U+FFFD, one for each byte. DEL is escaped too, for the sake of terminals.
void append_json_escaped(std::string& out, std::string_view text);

}  // namespace coffer
