// Appends JSON to a string. Knows no types but JSON's own.
#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "coffer/base/text.hpp"

namespace coffer::json {

/// Appends `text` as a JSON string with its quotes (RFC 8259 section 7). What is not UTF-8 becomes U+FFFD, so that the
/// document stays valid.
void append_string(std::string& out, std::string_view text);

/// A member's name that was written in this program: checked by the compiler to need no escape (RFC 8259 section 7).
class name {
 public:
  template <std::size_t Size>
  consteval name(const char (&text)[Size]) : text_{text, Size - 1} {  // NOLINT: a literal is meant to become one
    for (const char c : text_) {
      if (c < ' ' || c > '~' || c == '"' || c == '\\') {
        throw "a member's name must not need an escape";
      }
    }
  }
  [[nodiscard]] constexpr std::string_view text() const noexcept { return text_; }

 private:
  std::string_view text_;
};

/// Writes values in document order; commas come by themselves. It allocates nothing but the target's own growth. The
/// caller keeps the nesting balanced.
class writer {
 public:
  explicit writer(std::string& out) : out_{out} {}

  void begin_object() { open('{'); }
  void end_object() { close('}'); }
  void begin_array() { open('['); }
  void end_array() { close(']'); }

  /// The name of the next member.
  void key(name known) {
    separate();
    out_ += '"';
    out_ += known.text();
    out_ += "\":";
    pending_comma_ = false;
  }

  /// The name of the next member, when it is not known before the program runs.
  void dynamic_key(std::string_view text) {
    separate();
    append_string(out_, text);
    out_ += ':';
    pending_comma_ = false;
  }

  void value(std::string_view text) {
    separate();
    append_string(out_, text);
    pending_comma_ = true;
  }
  void value(const char* text) { value(std::string_view{text}); }
  void value(const std::string& text) { value(std::string_view{text}); }

  template <std::same_as<bool> Bool>
  void value(Bool truth) {
    raw(truth ? "true" : "false");
  }

  template <std::integral Integer>
    requires(!std::same_as<Integer, bool>)
  void value(Integer number) {
    char digits[24];
    const auto end = std::to_chars(std::begin(digits), std::end(digits), number).ptr;
    raw({digits, static_cast<std::size_t>(end - digits)});
  }

  void null() { raw("null"); }

  /// Bytes that are a JSON value already.
  void raw(std::string_view json) {
    separate();
    out_ += json;
    pending_comma_ = true;
  }

 private:
  void open(char bracket) {
    separate();
    out_ += bracket;
    pending_comma_ = false;
  }
  void close(char bracket) {
    out_ += bracket;
    pending_comma_ = true;
  }
  void separate() {
    if (pending_comma_) {
      out_ += ',';
    }
  }

  std::string& out_;
  bool pending_comma_ = false;
};

inline void append_string(std::string& out, std::string_view text) {
  out += '"';
  append_json_escaped(out, text);
  out += '"';
}

}  // namespace coffer::json
