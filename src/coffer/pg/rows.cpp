#include "coffer/pg/rows.hpp"

#include <charconv>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "coffer/base/assert.hpp"
#include "coffer/pg/error.hpp"
#include "coffer/pg/wire.hpp"

namespace coffer::pg {

namespace {

/// An answer is another process's word and no assertion: a migration may have changed a type under us.
void expect(bool right, int column, const char* what) {
  if (!right) {
    error::details known;
    known.delivered = delivery::answered;
    known.connection_usable = true;
    throw error{failure::protocol, fmt::format("column {} of an answer is not {}", column, what), std::move(known)};
  }
}

/// What reading a value needs to know about its column's type.
bool is_text_type(oid type) noexcept {
  return type == oid::text || type == oid::varchar || type == oid::bpchar || type == oid::name || type == oid::unknown;
}

}  // namespace

void result_deleter::operator()(pg_result* result) const noexcept { PQclear(result); }

int rows::size() const noexcept { return PQntuples(result_.get()); }

int rows::columns() const noexcept { return PQnfields(result_.get()); }

int rows::column(const char* name) const {
  const int index = PQfnumber(result_.get(), name);
  COFFER_ASSERT(index >= 0);
  return index;
}

bool rows::is_null(int row, int column) const {
  COFFER_ASSERT(row >= 0 && row < size() && column >= 0 && column < columns());
  return PQgetisnull(result_.get(), row, column) != 0;
}

const char* rows::fixed(int row, int column, oid type, int length) const {
  expect(!is_null(row, column) && PQfformat(result_.get(), column) == 1 &&
             static_cast<oid>(PQftype(result_.get(), column)) == type &&
             PQgetlength(result_.get(), row, column) == length,
         column, "of the expected type");
  return PQgetvalue(result_.get(), row, column);
}

std::string_view rows::view(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column), static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}

std::int16_t rows::int16(int row, int column) const {
  return wire::get<std::int16_t>(fixed(row, column, oid::int2, 2));
}

std::int32_t rows::int32(int row, int column) const {
  return wire::get<std::int32_t>(fixed(row, column, oid::int4, 4));
}

std::int64_t rows::int64(int row, int column) const {
  return wire::get<std::int64_t>(fixed(row, column, oid::int8, 8));
}

double rows::float64(int row, int column) const {
  return std::bit_cast<double>(wire::get<std::uint64_t>(fixed(row, column, oid::float8, 8)));
}

bool rows::boolean(int row, int column) const { return *fixed(row, column, oid::boolean, 1) != '\0'; }

std::string_view rows::text(int row, int column) const {
  expect(!is_null(row, column) &&
             (PQfformat(result_.get(), column) == 0 || is_text_type(static_cast<oid>(PQftype(result_.get(), column)))),
         column, "a text");
  return view(row, column);
}

std::string_view rows::bytes(int row, int column) const {
  expect(!is_null(row, column) && PQfformat(result_.get(), column) == 1 &&
             static_cast<oid>(PQftype(result_.get(), column)) == oid::bytea,
         column, "bytes");
  return view(row, column);
}

timestamp rows::time(int row, int column) const {
  return wire::to_timestamp(wire::get<std::int64_t>(fixed(row, column, oid::timestamptz, 8)));
}

std::optional<std::int16_t> rows::optional_int16(int row, int column) const {
  return is_null(row, column) ? std::nullopt : std::optional{int16(row, column)};
}

std::optional<std::int32_t> rows::optional_int32(int row, int column) const {
  return is_null(row, column) ? std::nullopt : std::optional{int32(row, column)};
}

std::optional<std::int64_t> rows::optional_int64(int row, int column) const {
  return is_null(row, column) ? std::nullopt : std::optional{int64(row, column)};
}

std::optional<bool> rows::optional_boolean(int row, int column) const {
  return is_null(row, column) ? std::nullopt : std::optional{boolean(row, column)};
}

std::optional<std::string_view> rows::optional_text(int row, int column) const {
  return is_null(row, column) ? std::nullopt : std::optional{text(row, column)};
}

std::optional<std::string_view> rows::optional_bytes(int row, int column) const {
  return is_null(row, column) ? std::nullopt : std::optional{bytes(row, column)};
}

std::optional<timestamp> rows::optional_time(int row, int column) const {
  return is_null(row, column) ? std::nullopt : std::optional{time(row, column)};
}

std::int64_t rows::affected() const {
  const std::string_view text = result_ ? PQcmdTuples(result_.get()) : "";
  std::int64_t count = 0;
  std::from_chars(text.data(), text.data() + text.size(), count);
  return count;
}

std::string_view rows::command_tag() const noexcept {
  return result_ ? std::string_view{PQcmdStatus(result_.get())} : std::string_view{};
}

}  // namespace coffer::pg
