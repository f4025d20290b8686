#include "coffer/pg/params.hpp"

#include <limits>

#include "coffer/base/assert.hpp"
#include "coffer/pg/wire.hpp"

namespace coffer::pg {

namespace {

/// dimensions, has-null flag, element type, then for the one dimension its size and lower bound (array_recv).
constexpr std::size_t array_header = 20;
constexpr std::size_t empty_array = 12;

std::int32_t as_length(std::size_t size) {
  COFFER_ASSERT(size <= static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()));
  return static_cast<std::int32_t>(size);
}

char* put_array_header(char* at, oid element, std::size_t count, bool has_null) {
  at = wire::put(at, std::int32_t{count == 0 ? 0 : 1});
  at = wire::put(at, std::int32_t{has_null ? 1 : 0});
  at = wire::put(at, static_cast<std::uint32_t>(element));
  if (count != 0) {
    at = wire::put(at, as_length(count));
    at = wire::put(at, std::int32_t{1});
  }
  return at;
}

const std::string_view* present(const std::string_view& value) { return &value; }
const std::string_view* present(const std::optional<std::string_view>& value) { return value ? &*value : nullptr; }

}  // namespace

oid params::integer_oid(std::size_t size) noexcept { return size == 2 ? oid::int2 : size == 4 ? oid::int4 : oid::int8; }

char* params::open(oid type, std::size_t length) {
  const std::size_t offset = buffer_.size();
  slots_.push_back(slot{type, as_length(length), offset});
  buffer_.resize(offset + length);
  return buffer_.data() + offset;
}

params& params::add_null(oid type) {
  slots_.push_back(slot{type, -1, buffer_.size()});
  return *this;
}

std::optional<std::string_view> params::value(std::size_t index) const {
  const slot& s = slots_[index];
  if (s.length < 0) {
    return std::nullopt;
  }
  return std::string_view{buffer_.data() + s.offset, static_cast<std::size_t>(s.length)};
}

params& params::add_integer(std::int64_t value, std::size_t size) {
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

params& params::add_boolean(bool value) {
  *open(oid::boolean, 1) = value ? '\1' : '\0';
  return *this;
}

params& params::add(double value) {
  wire::put(open(oid::float8, sizeof(double)), std::bit_cast<std::uint64_t>(value));
  return *this;
}

params& params::add(std::string_view value) {
  value.copy(open(oid::text, value.size()), value.size());
  return *this;
}

params& params::add(timestamp value) {
  wire::put(open(oid::timestamptz, sizeof(std::int64_t)), wire::from_timestamp(value));
  return *this;
}

params& params::add_bytes(std::string_view value) {
  value.copy(open(oid::bytea, value.size()), value.size());
  return *this;
}

params& params::add_bytes(std::span<const std::byte> value) {
  return add_bytes(std::string_view{reinterpret_cast<const char*>(value.data()), value.size()});
}

char* params::begin_fixed_array(oid type, oid element, std::size_t count, std::size_t element_size) {
  const std::size_t length = count == 0 ? empty_array : array_header + count * (sizeof(std::int32_t) + element_size);
  return put_array_header(open(type, length), element, count, false);
}

char* params::put_int64_element(char* at, std::int64_t value) noexcept {
  return wire::put(wire::put(at, std::int32_t{8}), value);
}

params& params::add(std::span<const std::int64_t> values) {
  char* at = begin_fixed_array(oid::int8_array, oid::int8, values.size(), 8);
  for (const std::int64_t value : values) {
    at = put_int64_element(at, value);
  }
  return *this;
}

params& params::add(std::span<const std::optional<std::int64_t>> values) {
  std::size_t nulls = 0;
  for (const auto& value : values) {
    nulls += value ? 0U : 1U;
  }
  const std::size_t length = values.empty() ? empty_array : array_header + values.size() * 12 - nulls * 8;
  char* at = put_array_header(open(oid::int8_array, length), oid::int8, values.size(), nulls != 0);
  for (const auto& value : values) {
    at = value ? put_int64_element(at, *value) : wire::put(at, std::int32_t{-1});
  }
  return *this;
}

params& params::add(std::span<const std::int16_t> values) {
  char* at = begin_fixed_array(oid::int2_array, oid::int2, values.size(), 2);
  for (const std::int16_t value : values) {
    at = wire::put(wire::put(at, std::int32_t{2}), value);
  }
  return *this;
}

params& params::add(std::span<const bool> values) {
  char* at = begin_fixed_array(oid::boolean_array, oid::boolean, values.size(), 1);
  for (const bool value : values) {
    at = wire::put(wire::put(at, std::int32_t{1}), static_cast<std::int8_t>(value ? 1 : 0));
  }
  return *this;
}

params& params::add(std::span<const timestamp> values) {
  char* at = begin_fixed_array(oid::timestamptz_array, oid::timestamptz, values.size(), 8);
  for (const timestamp value : values) {
    at = put_int64_element(at, wire::from_timestamp(value));
  }
  return *this;
}

template <typename Range>
params& params::add_variable_array(oid type, oid element, const Range& values) {
  std::size_t length = values.empty() ? empty_array : array_header + values.size() * sizeof(std::int32_t);
  bool has_null = false;
  for (const auto& value : values) {
    const std::string_view* bytes = present(value);
    has_null = has_null || bytes == nullptr;
    length += bytes == nullptr ? 0 : bytes->size();
  }
  char* at = put_array_header(open(type, length), element, values.size(), has_null);
  for (const auto& value : values) {
    const std::string_view* bytes = present(value);
    if (bytes == nullptr) {
      at = wire::put(at, std::int32_t{-1});
      continue;
    }
    at = wire::put(at, as_length(bytes->size()));
    at += bytes->copy(at, bytes->size());
  }
  return *this;
}

params& params::add(std::span<const std::string_view> values) {
  return add_variable_array(oid::text_array, oid::text, values);
}

params& params::add(std::span<const std::optional<std::string_view>> values) {
  return add_variable_array(oid::text_array, oid::text, values);
}

params& params::add(std::span<const std::string> values) {
  const std::vector<std::string_view> views{values.begin(), values.end()};
  return add_variable_array(oid::text_array, oid::text, views);
}

params& params::add_bytea_array(std::span<const std::optional<std::string_view>> values) {
  return add_variable_array(oid::bytea_array, oid::bytea, values);
}

params& params::add_bytea_array(std::span<const std::string_view> values) {
  return add_variable_array(oid::bytea_array, oid::bytea, values);
}

}  // namespace coffer::pg
