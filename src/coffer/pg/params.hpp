// The parameters of one statement in PostgreSQL's binary format, in one contiguous buffer. Knows no libpq.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "coffer/base/assert.hpp"
#include "coffer/base/clock.hpp"
#include "coffer/base/strong.hpp"
#include "coffer/pg/wire.hpp"

namespace coffer::pg {

/// PostgreSQL's type numbers (catalogue pg_type, fixed for the built-in types).
enum class oid : std::uint32_t {
  boolean = 16,
  bytea = 17,
  name = 19,
  int8 = 20,
  int2 = 21,
  int4 = 23,
  text = 25,
  float8 = 701,
  unknown = 705,
  bytea_array = 1001,
  int2_array = 1005,
  text_array = 1009,
  int8_array = 1016,
  bpchar = 1042,
  varchar = 1043,
  timestamptz = 1184,
  timestamptz_array = 1185,
  boolean_array = 1000,
};

/// An integer that PostgreSQL has: 16, 32 or 64 bits, signed.
template <typename T>
concept integer_param = std::signed_integral<T> && (sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8);

/// The values of $1, $2, ... in the order they are added. Values are copied in; nothing needs to outlive the call.
/// Each value's type is fixed by the C++ type it is added as and is what the statement is prepared with. Move-only: a
/// copy of a batch is never wanted.
class params {
 public:
  params() = default;
  params(params&&) noexcept = default;
  params& operator=(params&&) noexcept = default;

  /// The parameters `values`, in one expression.
  template <typename... Values>
  static params of(const Values&... values) {
    params made;
    (made.add(values), ...);
    return made;
  }

  /// int2, int4 or int8 by the size of the type.
  template <integer_param T>
  params& add(T value) {
    return add_integer(static_cast<std::int64_t>(value), sizeof(T));
  }
  /// int8: ids, credits and versions.
  template <typename Tag>
  params& add(strong<Tag> value) {
    return add_integer(value.value, 8);
  }
  template <std::same_as<bool> T>
  params& add(T value) {
    return add_boolean(value);
  }
  /// float8
  params& add(double value);
  /// text; must be valid UTF-8 without NUL, else the server refuses it.
  params& add(std::string_view value);
  params& add(const std::string& value) { return add(std::string_view{value}); }
  params& add(const char* value) { return add(std::string_view{value}); }
  /// timestamptz
  params& add(timestamp value);
  /// bytea
  params& add_bytes(std::span<const std::byte> value);
  params& add_bytes(std::string_view value);
  params& add_bytes(const std::string& value) { return add_bytes(std::string_view{value}); }
  params& add_bytes(const char* value) = delete;

  /// NULL of the type's kind when empty.
  template <integer_param T>
  params& add(const std::optional<T>& value) {
    return value ? add(*value) : add_null(integer_oid(sizeof(T)));
  }
  template <typename Tag>
  params& add(const std::optional<strong<Tag>>& value) {
    return value ? add(value->value) : add_null(oid::int8);
  }
  params& add(const std::optional<bool>& value) { return value ? add(*value) : add_null(oid::boolean); }
  params& add(const std::optional<double>& value) { return value ? add(*value) : add_null(oid::float8); }
  params& add(const std::optional<std::string_view>& value) { return value ? add(*value) : add_null(oid::text); }
  params& add(const std::optional<std::string>& value) { return value ? add(*value) : add_null(oid::text); }
  params& add(const std::optional<timestamp>& value) { return value ? add(*value) : add_null(oid::timestamptz); }
  params& add_bytes(const std::optional<std::string_view>& value) {
    return value ? add_bytes(*value) : add_null(oid::bytea);
  }
  /// NULL of an explicit type.
  params& add_null(oid type);

  /// int8[]
  params& add(std::span<const std::int64_t> values);
  params& add(std::span<const std::optional<std::int64_t>> values);
  /// int8[] of ids, credits or versions.
  template <typename Tag>
  params& add(std::span<const strong<Tag>> values) {
    static_assert(sizeof(strong<Tag>) == sizeof(std::int64_t));
    char* at = begin_fixed_array(oid::int8_array, oid::int8, values.size(), 8);
    for (const strong<Tag> value : values) {
      at = put_int64_element(at, value.value);
    }
    return *this;
  }
  /// int2[]
  params& add(std::span<const std::int16_t> values);
  /// bool[]
  params& add(std::span<const bool> values);
  /// text[]
  params& add(std::span<const std::string_view> values);
  params& add(std::span<const std::optional<std::string_view>> values);
  params& add(std::span<const std::string> values);
  /// timestamptz[]
  params& add(std::span<const timestamp> values);
  /// bytea[]
  params& add_bytea_array(std::span<const std::optional<std::string_view>> values);
  params& add_bytea_array(std::span<const std::string_view> values);

  /// A vector or array of any of the element types above.
  template <typename Element>
  params& add(const std::vector<Element>& values) {
    return add(std::span<const Element>{values});
  }

  /// The number of parameters so far.
  [[nodiscard]] std::size_t size() const noexcept { return slots_.size(); }
  /// The type of parameter `index`, from 0.
  [[nodiscard]] oid type(std::size_t index) const { return slots_[index].type; }
  /// The binary value of parameter `index`; nullopt is NULL. Valid until the next add.
  [[nodiscard]] std::optional<std::string_view> value(std::size_t index) const;
  /// The number of bytes of all values, for limits.
  [[nodiscard]] std::size_t bytes() const noexcept { return buffer_.size(); }

 private:
  struct slot {
    oid type;
    std::int32_t length;  ///< -1 is NULL
    std::size_t offset;
  };

  static oid integer_oid(std::size_t size) noexcept;
  params& add_integer(std::int64_t value, std::size_t size);
  params& add_boolean(bool value);
  /// Opens a parameter of `length` bytes and gives its first byte.
  char* open(oid type, std::size_t length);
  /// Writes the header of a one-dimensional array whose elements have one size; gives the first element's place.
  char* begin_fixed_array(oid type, oid element, std::size_t count, std::size_t element_size);
  static char* put_int64_element(char* at, std::int64_t value) noexcept;
  template <typename Range>
  params& add_variable_array(oid type, oid element, const Range& values);

  std::string buffer_;
  std::vector<slot> slots_;
};

namespace detail {

/// dimensions, has-null flag, element type, then for the one dimension its size and lower bound (array_recv).
inline constexpr std::size_t array_header = 20;
inline constexpr std::size_t empty_array = 12;

inline std::int32_t as_length(std::size_t size) {
  COFFER_ASSERT(size <= static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()));
  return static_cast<std::int32_t>(size);
}

inline char* put_array_header(char* at, oid element, std::size_t count, bool has_null) {
  at = wire::put(at, std::int32_t{count == 0 ? 0 : 1});
  at = wire::put(at, std::int32_t{has_null ? 1 : 0});
  at = wire::put(at, static_cast<std::uint32_t>(element));
  if (count != 0) {
    at = wire::put(at, as_length(count));
    at = wire::put(at, std::int32_t{1});
  }
  return at;
}

inline const std::string_view* present(const std::string_view& value) { return &value; }
inline const std::string_view* present(const std::optional<std::string_view>& value) {
  return value ? &*value : nullptr;
}

}  // namespace detail

inline oid params::integer_oid(std::size_t size) noexcept {
  return size == 2 ? oid::int2 : size == 4 ? oid::int4 : oid::int8;
}

inline char* params::open(oid type, std::size_t length) {
  const std::size_t offset = buffer_.size();
  slots_.push_back(slot{type, detail::as_length(length), offset});
  buffer_.resize(offset + length);
  return buffer_.data() + offset;
}

inline params& params::add_null(oid type) {
  slots_.push_back(slot{type, -1, buffer_.size()});
  return *this;
}

inline std::optional<std::string_view> params::value(std::size_t index) const {
  const slot& s = slots_[index];
  if (s.length < 0) {
    return std::nullopt;
  }
  return std::string_view{buffer_.data() + s.offset, static_cast<std::size_t>(s.length)};
}

inline params& params::add_integer(std::int64_t value, std::size_t size) {
  char* at = open(integer_oid(size), size);
  if (size == 2) {
    wire::put(at, static_cast<std::int16_t>(value));
  } else if (size == 4) {
    wire::put(at, static_cast<std::int32_t>(value));
  } else {
    wire::put(at, value);
  }
  return *this;
}

inline params& params::add_boolean(bool value) {
  *open(oid::boolean, 1) = value ? '\1' : '\0';
  return *this;
}

inline params& params::add(double value) {
  wire::put(open(oid::float8, sizeof(double)), std::bit_cast<std::uint64_t>(value));
  return *this;
}

inline params& params::add(std::string_view value) {
  value.copy(open(oid::text, value.size()), value.size());
  return *this;
}

inline params& params::add(timestamp value) {
  wire::put(open(oid::timestamptz, sizeof(std::int64_t)), wire::from_timestamp(value));
  return *this;
}

inline params& params::add_bytes(std::string_view value) {
  value.copy(open(oid::bytea, value.size()), value.size());
  return *this;
}

inline params& params::add_bytes(std::span<const std::byte> value) {
  return add_bytes(std::string_view{reinterpret_cast<const char*>(value.data()), value.size()});
}

inline char* params::begin_fixed_array(oid type, oid element, std::size_t count, std::size_t element_size) {
  const std::size_t length =
      count == 0 ? detail::empty_array : detail::array_header + count * (sizeof(std::int32_t) + element_size);
  return detail::put_array_header(open(type, length), element, count, false);
}

inline char* params::put_int64_element(char* at, std::int64_t value) noexcept {
  return wire::put(wire::put(at, std::int32_t{8}), value);
}

inline params& params::add(std::span<const std::int64_t> values) {
  char* at = begin_fixed_array(oid::int8_array, oid::int8, values.size(), 8);
  for (const std::int64_t value : values) {
    at = put_int64_element(at, value);
  }
  return *this;
}

inline params& params::add(std::span<const std::optional<std::int64_t>> values) {
  std::size_t nulls = 0;
  for (const auto& value : values) {
    nulls += value ? 0U : 1U;
  }
  const std::size_t length =
      values.empty() ? detail::empty_array : detail::array_header + values.size() * 12 - nulls * 8;
  char* at = detail::put_array_header(open(oid::int8_array, length), oid::int8, values.size(), nulls != 0);
  for (const auto& value : values) {
    at = value ? put_int64_element(at, *value) : wire::put(at, std::int32_t{-1});
  }
  return *this;
}

inline params& params::add(std::span<const std::int16_t> values) {
  char* at = begin_fixed_array(oid::int2_array, oid::int2, values.size(), 2);
  for (const std::int16_t value : values) {
    at = wire::put(wire::put(at, std::int32_t{2}), value);
  }
  return *this;
}

inline params& params::add(std::span<const bool> values) {
  char* at = begin_fixed_array(oid::boolean_array, oid::boolean, values.size(), 1);
  for (const bool value : values) {
    at = wire::put(wire::put(at, std::int32_t{1}), static_cast<std::int8_t>(value ? 1 : 0));
  }
  return *this;
}

inline params& params::add(std::span<const timestamp> values) {
  char* at = begin_fixed_array(oid::timestamptz_array, oid::timestamptz, values.size(), 8);
  for (const timestamp value : values) {
    at = put_int64_element(at, wire::from_timestamp(value));
  }
  return *this;
}

template <typename Range>
params& params::add_variable_array(oid type, oid element, const Range& values) {
  std::size_t length =
      values.empty() ? detail::empty_array : detail::array_header + values.size() * sizeof(std::int32_t);
  bool has_null = false;
  for (const auto& value : values) {
    const std::string_view* bytes = detail::present(value);
    has_null = has_null || bytes == nullptr;
    length += bytes == nullptr ? 0 : bytes->size();
  }
  char* at = detail::put_array_header(open(type, length), element, values.size(), has_null);
  for (const auto& value : values) {
    const std::string_view* bytes = detail::present(value);
    if (bytes == nullptr) {
      at = wire::put(at, std::int32_t{-1});
      continue;
    }
    at = wire::put(at, detail::as_length(bytes->size()));
    at += bytes->copy(at, bytes->size());
  }
  return *this;
}

inline params& params::add(std::span<const std::string_view> values) {
  return add_variable_array(oid::text_array, oid::text, values);
}

inline params& params::add(std::span<const std::optional<std::string_view>> values) {
  return add_variable_array(oid::text_array, oid::text, values);
}

inline params& params::add(std::span<const std::string> values) {
  const std::vector<std::string_view> views{values.begin(), values.end()};
  return add_variable_array(oid::text_array, oid::text, views);
}

inline params& params::add_bytea_array(std::span<const std::optional<std::string_view>> values) {
  return add_variable_array(oid::bytea_array, oid::bytea, values);
}

inline params& params::add_bytea_array(std::span<const std::string_view> values) {
  return add_variable_array(oid::bytea_array, oid::bytea, values);
}

}  // namespace coffer::pg
