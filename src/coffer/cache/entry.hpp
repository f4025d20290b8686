// What stands under a user's key: "V <epoch> <run> <version>\n<json>" (a value), "L<token>" (the lease of a reader
// that is loading) or "F<version>" (a fence: nothing older may be stored).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "coffer/base/ids.hpp"

namespace coffer::cache {

/// What an entry is.
enum class entry_kind : std::uint8_t {
  value,    ///< of the epoch and server run that were asked for
  foreign,  ///< a value of another epoch or server run
  lease,
  fence,
  garbage,  ///< nothing of ours
};

struct entry {
  entry_kind kind = entry_kind::garbage;
  version at;                  ///< of a value or a fence
  std::size_t json_begin = 0;  ///< of a value: where its JSON begins
};

/// An epoch as it may stand in Redis: 1 to 128 visible ASCII characters.
bool is_epoch(std::string_view text) noexcept;

/// The beginning of every value of this epoch, stored in this run of the server: "V <epoch> <run> ".
std::string value_tag(std::string_view epoch, std::string_view run);

std::string encode_value(std::string_view tag, version at, std::string_view json);
std::string encode_fence(version at);

/// Reads an entry. `tag` says which values count.
entry decode_entry(std::string_view raw, std::string_view tag) noexcept;

}  // namespace coffer::cache
