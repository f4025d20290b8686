// Takes a chunked body apart (RFC 9112 section 7.1): sizes, extensions, data, trailers. Knows no requests and no
// limits.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include "coffer/base/ascii.hpp"
#include "coffer/base/assert.hpp"
#include "coffer/http/syntax.hpp"

namespace coffer::http {

/// A state machine over the bytes of one chunked body. Every byte has one meaning wherever the bytes are cut, and every
/// line ends with CR LF and with nothing else.
class chunk_reader {
 public:
  enum class status : std::uint8_t {
    need_more,  ///< all bytes were taken
    data,       ///< data() came, and there may be more bytes
    size,       ///< the line of a chunk has ended: chunk_size() is known
    extra,      ///< one byte of what can be dispensed with came: extension, needless zero, trailer
    end,        ///< the body is whole
    malformed,
  };

  struct step {
    status what;
    std::size_t taken;  ///< bytes at the front of what was fed
  };

  /// Reads on, up to the next thing that the caller has to know.
  step feed(std::string_view bytes);

  /// The data that came with the last feed(), a part of what was fed.
  [[nodiscard]] std::string_view data() const noexcept { return data_; }

  /// The size that the last line of a chunk gave.
  [[nodiscard]] std::uint64_t chunk_size() const noexcept { return left_; }

  /// Lines of the trailer that have begun.
  [[nodiscard]] std::size_t trailer_lines() const noexcept { return trailer_lines_; }

 private:
  /// What the next byte belongs to.
  enum class place : std::uint8_t {
    size_begin,
    size,
    before_semicolon,  ///< space in front of an extension
    name_begin,        ///< space in front of its name
    name,
    before_equals,  ///< space behind its name
    value_begin,    ///< space in front of its value
    value,
    quoted,
    escaped,
    behind_quoted,
    size_line_feed,
    data,
    data_return,
    data_line_feed,
    trailer_begin,
    trailer_name,
    trailer_value,
    trailer_line_feed,
    last_line_feed,
    done,
  };

  static bool is_space(char c) noexcept { return c == ' ' || c == '\t'; }
  /// What may stand in a quoted string or in a value: anything but control characters, tabs excepted.
  static bool is_text(char c) noexcept {
    const auto byte = static_cast<unsigned char>(c);
    return c == '\t' || (byte >= 0x20 && byte != 0x7f);
  }

  status take(char c);
  status take_digit(char c);
  status take_extension(char c);
  status take_trailer(char c);
  /// Goes on to `next`; the byte that led there can be dispensed with.
  status spend(place next) noexcept {
    at_ = next;
    return status::extra;
  }
  status go_on(place next) noexcept {
    at_ = next;
    return status::need_more;
  }

  place at_ = place::size_begin;
  std::uint64_t left_ = 0;  ///< of the chunk
  std::string_view data_;
  std::size_t trailer_lines_ = 0;
};

inline chunk_reader::step chunk_reader::feed(std::string_view bytes) {
  COFFER_ASSERT(at_ != place::done);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (at_ == place::data) {
      const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size() - i));
      data_ = bytes.substr(i, size);
      left_ -= size;
      if (left_ == 0) {
        at_ = place::data_return;
      }
      return {status::data, i + size};
    }
    if (const status what = take(bytes[i]); what != status::need_more) {
      return {what, i + 1};
    }
  }
  return {status::need_more, bytes.size()};
}

inline chunk_reader::status chunk_reader::take(char c) {
  switch (at_) {
    case place::size_begin:
      left_ = 0;
      return take_digit(c);
    case place::size:
      return take_digit(c);
    case place::size_line_feed:
      if (c != '\n') {
        return status::malformed;
      }
      at_ = left_ > 0 ? place::data : place::trailer_begin;
      return status::size;
    case place::data_return:
      return c == '\r' ? go_on(place::data_line_feed) : status::malformed;
    case place::data_line_feed:
      return c == '\n' ? go_on(place::size_begin) : status::malformed;
    case place::trailer_begin:
    case place::trailer_name:
    case place::trailer_value:
    case place::trailer_line_feed:
    case place::last_line_feed:
      return take_trailer(c);
    case place::data:
    case place::done:
      return status::malformed;
    default:
      return take_extension(c);
  }
}

/// Of chunk-size, or what ends it.
inline chunk_reader::status chunk_reader::take_digit(char c) {
  const int digit = ascii::hex_value(c);
  if (digit < 0) {
    return at_ == place::size ? take_extension(c) : status::malformed;
  }
  if (left_ > std::numeric_limits<std::uint64_t>::max() >> 4U) {
    return status::malformed;
  }
  // A zero with another digit behind it says nothing.
  const bool needless = at_ == place::size && left_ == 0;
  left_ = left_ << 4U | static_cast<unsigned>(digit);
  return needless ? spend(place::size) : go_on(place::size);
}

/// chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
inline chunk_reader::status chunk_reader::take_extension(char c) {
  const bool may_end = at_ == place::size || at_ == place::name || at_ == place::value || at_ == place::behind_quoted;
  if (c == '\r' && may_end) {
    return go_on(place::size_line_feed);
  }
  switch (at_) {
    case place::size:
    case place::before_semicolon:
    case place::behind_quoted:
      return c == ';' ? spend(place::name_begin) : is_space(c) ? spend(place::before_semicolon) : status::malformed;
    case place::name_begin:
      return is_token_character(c) ? spend(place::name) : is_space(c) ? spend(at_) : status::malformed;
    case place::name:
      if (is_token_character(c)) {
        return spend(at_);
      }
      [[fallthrough]];
    case place::before_equals:
      return c == ';'      ? spend(place::name_begin)
             : c == '='    ? spend(place::value_begin)
             : is_space(c) ? spend(place::before_equals)
                           : status::malformed;
    case place::value_begin:
      return is_token_character(c) ? spend(place::value)
             : c == '"'            ? spend(place::quoted)
             : is_space(c)         ? spend(at_)
                                   : status::malformed;
    case place::value:
      return is_token_character(c) ? spend(at_)
             : c == ';'            ? spend(place::name_begin)
             : is_space(c)         ? spend(place::before_semicolon)
                                   : status::malformed;
    case place::quoted:
      return c == '"'     ? spend(place::behind_quoted)
             : c == '\\'  ? spend(place::escaped)
             : is_text(c) ? spend(at_)
                          : status::malformed;
    case place::escaped:
      return is_text(c) ? spend(place::quoted) : status::malformed;
    default:
      return status::malformed;
  }
}

inline chunk_reader::status chunk_reader::take_trailer(char c) {
  switch (at_) {
    case place::trailer_begin:
      if (c == '\r') {
        return go_on(place::last_line_feed);
      }
      ++trailer_lines_;
      return is_token_character(c) ? spend(place::trailer_name) : status::malformed;
    case place::trailer_name:
      return c == ':' ? spend(place::trailer_value) : is_token_character(c) ? spend(at_) : status::malformed;
    case place::trailer_value:
      return c == '\r' ? spend(place::trailer_line_feed) : is_text(c) ? spend(at_) : status::malformed;
    case place::trailer_line_feed:
      return c == '\n' ? spend(place::trailer_begin) : status::malformed;
    default:  // last_line_feed
      at_ = place::done;
      return c == '\n' ? status::end : status::malformed;
  }
}

}  // namespace coffer::http
