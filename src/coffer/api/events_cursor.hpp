// The cursor of the feed of events: how far a reader has come in each stream of the event log, opaque to clients.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "coffer/base/base64url.hpp"
#include "coffer/base/error.hpp"
#include "coffer/base/hash.hpp"
#include "coffer/store/events_store.hpp"

namespace coffer::api {

/// Characters at most: five hundred streams, some nine bytes each.
inline constexpr std::int64_t longest_events_cursor = 7 * 1024;

namespace detail {

inline constexpr char events_cursor_form = 1;
/// A guard against mistakes, not a secret.
inline constexpr std::size_t events_checksum = 3;

inline std::string checksum_of_place(std::string_view bytes) {
  const sha256_digest digest = sha256(bytes);
  return {reinterpret_cast<const char*>(digest.data()), events_checksum};
}

/// LEB128.
inline void append_varint(std::string& to, std::uint64_t value) {
  for (; value >= 0x80U; value >>= 7U) {
    to += static_cast<char>(0x80U | (value & 0x7FU));
  }
  to += static_cast<char>(value);
}

inline std::optional<std::uint64_t> take_varint(std::string_view& from) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 63; shift += 7) {
    if (from.empty()) {
      return std::nullopt;
    }
    const auto byte = static_cast<unsigned char>(from.front());
    from.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7FU} << shift;
    if (byte < 0x80U) {
      return value;
    }
  }
  return std::nullopt;
}

/// Three bytes.
inline void append_mark(std::string& to, std::uint32_t mark) {
  for (unsigned shift = 0; shift < 24; shift += 8) {
    to += static_cast<char>(mark >> shift & 0xFFU);
  }
}

inline std::optional<std::uint32_t> take_mark(std::string_view& from) {
  if (from.size() < 3) {
    return std::nullopt;
  }
  std::uint32_t mark = 0;
  for (unsigned shift = 0; shift < 24; shift += 8) {
    mark |= std::uint32_t{static_cast<unsigned char>(from.front())} << shift;
    from.remove_prefix(1);
  }
  return mark;
}

/// Streams are smallints.
inline constexpr int lowest_stream = -32768;

inline std::uint64_t number_of(std::int16_t stream) { return static_cast<std::uint64_t>(stream - lowest_stream); }
inline std::int16_t stream_of(std::uint64_t number) {
  return static_cast<std::int16_t>(static_cast<int>(number) + lowest_stream);
}

inline std::optional<store::events_place> take_place(std::string_view bytes) {
  store::events_place place;
  const auto streams = take_varint(bytes);
  std::uint64_t number = 0;
  for (std::uint64_t i = 0; streams && i < *streams; ++i) {
    const auto step = take_varint(bytes);
    const auto position = take_varint(bytes);
    const auto mark = take_mark(bytes);
    number += step.value_or(0);
    if (!step || !position || !mark || *step > 0xFFFFU || number > 0xFFFFU) {
      return std::nullopt;
    }
    place.read.emplace(stream_of(number), store::events_place::point{static_cast<std::int64_t>(*position), *mark});
  }
  if (streams && !bytes.empty()) {
    const auto begun = take_varint(bytes);
    const auto events = take_varint(bytes);
    const auto mark = take_mark(bytes);
    if (!begun || !events || !mark || *begun > 0xFFFFU) {
      return std::nullopt;
    }
    place.begun = {stream_of(*begun), static_cast<std::int64_t>(*events), *mark};
  }
  return streams && bytes.empty() ? std::optional{place} : std::nullopt;
}

}  // namespace detail

/// The cursor of a place.
inline std::string write_events_cursor(const store::events_place& place) {
  std::string bytes{detail::events_cursor_form};
  detail::append_varint(bytes, place.read.size());
  std::uint64_t before = 0;
  for (const auto& [stream, last] : place.read) {
    detail::append_varint(bytes, detail::number_of(stream) - before);
    detail::append_varint(bytes, static_cast<std::uint64_t>(last.position));
    detail::append_mark(bytes, last.mark);
    before = detail::number_of(stream);
  }
  if (place.begun.events > 0) {
    detail::append_varint(bytes, detail::number_of(place.begun.stream));
    detail::append_varint(bytes, static_cast<std::uint64_t>(place.begun.events));
    detail::append_mark(bytes, place.begun.mark);
  }
  return to_base64url(bytes + detail::checksum_of_place(bytes));
}

/// The place of a cursor. Refusal: invalid_cursor for anything else.
inline result<store::events_place> read_events_cursor(std::string_view cursor) {
  const auto bytes = from_base64url(cursor);
  if (bytes && bytes->size() > detail::events_checksum && bytes->front() == detail::events_cursor_form) {
    const std::string_view all = *bytes;
    const std::string_view body = all.substr(0, all.size() - detail::events_checksum);
    if (all.substr(body.size()) == detail::checksum_of_place(body)) {
      if (const auto place = detail::take_place(body.substr(1)); place && write_events_cursor(*place) == cursor) {
        return *place;
      }
    }
  }
  return std::unexpected(
      error{errc::invalid_cursor, "This is no cursor of the feed: pass next_cursor on as it came, or begin anew."});
}

}  // namespace coffer::api
