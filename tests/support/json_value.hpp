// A strict JSON reader for what the server answers. Its own on purpose: an oracle that shares no code with the server.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace coffer::test {

/// One JSON value, owning. Accessors throw std::runtime_error, with the value in the message, when it is of another
/// kind or a member is missing, so that a test needs no checks of its own before it compares.
class json_value {
 public:
  using array = std::vector<json_value>;
  using object = std::vector<std::pair<std::string, json_value>>;

  json_value() = default;

  /// Parses a whole document; throws std::runtime_error for anything that RFC 8259 does not allow and for duplicate
  /// members. Depth is limited to 64.
  static json_value parse(std::string_view text);

  /// The member `name`.
  const json_value& operator[](std::string_view name) const;
  /// The element `index`.
  const json_value& operator[](std::size_t index) const;
  const json_value& operator[](int index) const { return (*this)[static_cast<std::size_t>(index)]; }
  const json_value& operator[](const char* name) const { return (*this)[std::string_view{name}]; }

  [[nodiscard]] bool contains(std::string_view name) const;
  /// The number of elements or members.
  [[nodiscard]] std::size_t size() const;
  /// The members' names in order.
  [[nodiscard]] std::vector<std::string> names() const;

  [[nodiscard]] bool is_null() const { return std::holds_alternative<std::nullptr_t>(value_); }
  [[nodiscard]] bool is_object() const { return std::holds_alternative<object>(value_); }
  [[nodiscard]] bool is_array() const { return std::holds_alternative<array>(value_); }
  [[nodiscard]] bool is_string() const { return std::holds_alternative<std::string>(value_); }
  /// A number without fraction and exponent that fits 64 bits.
  [[nodiscard]] bool is_integer() const { return std::holds_alternative<std::int64_t>(value_); }

  [[nodiscard]] std::int64_t integer() const;
  /// Any number.
  [[nodiscard]] double number() const;
  [[nodiscard]] bool boolean() const;
  [[nodiscard]] const std::string& text() const;
  [[nodiscard]] const array& elements() const;
  [[nodiscard]] const object& members() const;

  /// The value as JSON, compact, members in order.
  [[nodiscard]] std::string dump() const;

  /// For the messages of failed checks.
  friend std::ostream& operator<<(std::ostream& out, const json_value& value);

  /// Equal kinds and values; members compare without regard to their order.
  friend bool operator==(const json_value& a, const json_value& b);
  friend bool operator==(const json_value& a, std::int64_t b) { return a.is_integer() && a.integer() == b; }
  friend bool operator==(const json_value& a, int b) { return a == std::int64_t{b}; }
  friend bool operator==(const json_value& a, std::string_view b) { return a.is_string() && a.text() == b; }
  friend bool operator==(const json_value& a, const char* b) { return a == std::string_view{b}; }
  friend bool operator==(const json_value& a, std::nullptr_t) { return a.is_null(); }

 private:
  friend class json_parser;
  template <typename T>
  const T& get(const char* kind) const;

  std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, array, object> value_;
};

}  // namespace coffer::test
