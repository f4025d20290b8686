// The result of one statement: typed access to binary columns. Owns libpq's result.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "coffer/base/clock.hpp"
#include "coffer/pg/params.hpp"

struct pg_result;

namespace coffer::pg {

/// What libpq gave back for a statement. The deleter is in rows.cpp, so that libpq's header does not spread.
struct result_deleter {
  void operator()(pg_result* result) const noexcept;
};
using owned_result = std::unique_ptr<pg_result, result_deleter>;

/// The rows and the command tag of one statement. Every accessor asserts that row and column exist: anything else is a
/// bug. A column of another type than the asked one, or (but for the optional_ accessors) a NULL, is
/// error{failure::protocol}: a newer version may have changed the schema. Views point into the result and die with it.
class rows {
 public:
  /// `result` must be a successful one. Null gives an empty result without a tag.
  explicit rows(owned_result result) noexcept : result_{std::move(result)} {}
  rows() noexcept = default;

  [[nodiscard]] int size() const noexcept;
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  [[nodiscard]] int columns() const noexcept;
  /// The index of the column called `name`; asserts that there is one.
  [[nodiscard]] int column(const char* name) const;

  [[nodiscard]] bool is_null(int row, int column) const;
  [[nodiscard]] std::int16_t int16(int row, int column) const;
  [[nodiscard]] std::int32_t int32(int row, int column) const;
  [[nodiscard]] std::int64_t int64(int row, int column) const;
  [[nodiscard]] double float64(int row, int column) const;
  [[nodiscard]] bool boolean(int row, int column) const;
  /// text, varchar, char(n), name; for results of connection::execute any type, as the server prints it.
  [[nodiscard]] std::string_view text(int row, int column) const;
  /// bytea
  [[nodiscard]] std::string_view bytes(int row, int column) const;
  /// timestamptz; infinity and -infinity are timestamp's max and min.
  [[nodiscard]] timestamp time(int row, int column) const;

  [[nodiscard]] std::optional<std::int16_t> optional_int16(int row, int column) const;
  [[nodiscard]] std::optional<std::int32_t> optional_int32(int row, int column) const;
  [[nodiscard]] std::optional<std::int64_t> optional_int64(int row, int column) const;
  [[nodiscard]] std::optional<bool> optional_boolean(int row, int column) const;
  [[nodiscard]] std::optional<std::string_view> optional_text(int row, int column) const;
  [[nodiscard]] std::optional<std::string_view> optional_bytes(int row, int column) const;
  [[nodiscard]] std::optional<timestamp> optional_time(int row, int column) const;

  /// The number of rows that INSERT, UPDATE, DELETE or SELECT report; 0 for other commands.
  [[nodiscard]] std::int64_t affected() const;
  /// What the server says it did, e.g. "INSERT 0 3", "COMMIT". A failed transaction answers COMMIT with "ROLLBACK".
  [[nodiscard]] std::string_view command_tag() const noexcept;

 private:
  /// The bytes of a value that is not NULL, after the checks of row, column, format and type.
  [[nodiscard]] const char* fixed(int row, int column, oid type, int length) const;
  [[nodiscard]] std::string_view view(int row, int column) const;

  owned_result result_;
};

/// What `read(rows, row)` makes of each row.
template <typename Read>
auto read_all(const rows& found, Read read) {
  std::vector<std::invoke_result_t<Read&, const rows&, int>> all;
  all.reserve(static_cast<std::size_t>(found.size()));
  for (int row = 0; row < found.size(); ++row) {
    all.push_back(read(found, row));
  }
  return all;
}

}  // namespace coffer::pg
