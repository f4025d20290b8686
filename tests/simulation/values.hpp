// Parameters and results of statements, from the side of the server.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <libpq-fe.h>

#include "coffer/pg/params.hpp"
#include "coffer/pg/rows.hpp"
#include "coffer/pg/wire.hpp"

namespace coffer::simulation {

/// Reads what a statement was given; arguments count from 1, as in its text.
class arguments {
 public:
  explicit arguments(const pg::params& from) : from_{from} {}

  [[nodiscard]] std::size_t count() const { return from_.size(); }
  [[nodiscard]] std::int64_t int64(std::size_t n) const { return integer(bytes(n)); }
  [[nodiscard]] std::string_view text(std::size_t n) const { return bytes(n); }
  [[nodiscard]] timestamp time(std::size_t n) const { return pg::wire::to_timestamp(int64(n)); }

  /// NULL elements are nullopt.
  [[nodiscard]] std::vector<std::optional<std::string_view>> elements(std::size_t n) const {
    constexpr std::size_t header = 20;
    const std::string_view all = bytes(n);
    std::vector<std::optional<std::string_view>> out;
    for (std::size_t at = header; at < all.size();) {
      const auto length = pg::wire::get<std::int32_t>(all.data() + at);
      at += sizeof(length);
      if (length < 0) {
        out.emplace_back();
      } else {
        out.emplace_back(all.substr(at, static_cast<std::size_t>(length)));
        at += static_cast<std::size_t>(length);
      }
    }
    return out;
  }

  /// Integers of either size.
  [[nodiscard]] std::vector<std::int64_t> integers(std::size_t n) const {
    std::vector<std::int64_t> out;
    for (const auto& e : elements(n)) {
      out.push_back(integer(*e));
    }
    return out;
  }

  static std::int64_t integer(std::string_view bytes) {
    return bytes.size() == 2 ? pg::wire::get<std::int16_t>(bytes.data()) : pg::wire::get<std::int64_t>(bytes.data());
  }
  static std::optional<std::int64_t> integer_if_any(const std::optional<std::string_view>& bytes) {
    return bytes ? std::optional{integer(*bytes)} : std::nullopt;
  }

 private:
  [[nodiscard]] std::string_view bytes(std::size_t n) const { return from_.value(n - 1).value(); }

  const pg::params& from_;
};

/// Makes the result of a statement. Columns are named by their types alone: the lanes read them by number.
class answer {
 public:
  using value = std::optional<std::string>;

  explicit answer(const std::vector<pg::oid>& types = {})
      : made_{PQmakeEmptyPGresult(nullptr, types.empty() ? PGRES_COMMAND_OK : PGRES_TUPLES_OK)} {
    std::vector<PGresAttDesc> columns;
    for (const pg::oid type : types) {
      static char name[] = "column";
      columns.push_back({name, 0, 0, 1, static_cast<Oid>(type), 0, -1});
    }
    PQsetResultAttrs(made_.get(), static_cast<int>(columns.size()), columns.data());
  }

  void row(const std::vector<value>& values) {
    const int at = PQntuples(made_.get());
    for (std::size_t i = 0; i < values.size(); ++i) {
      char* bytes = values[i] ? const_cast<char*>(values[i]->data()) : nullptr;
      PQsetvalue(made_.get(), at, static_cast<int>(i), bytes, values[i] ? static_cast<int>(values[i]->size()) : -1);
    }
  }

  /// With this command tag. libpq has no function that sets it; what reads it gives the place, of 64 bytes.
  pg::rows tagged(std::string_view tag) && {
    char* at = PQcmdStatus(made_.get());
    at[tag.copy(at, 63)] = '\0';
    return pg::rows{std::move(made_)};
  }
  /// With the tag of a SELECT.
  pg::rows done() && {
    const std::string tag = "SELECT " + std::to_string(PQntuples(made_.get()));
    return std::move(*this).tagged(tag);
  }

  static value of(std::int64_t v) { return binary(v); }
  static value of(std::optional<std::int64_t> v) { return v ? binary(*v) : value{}; }
  static value of(timestamp t) { return binary(pg::wire::from_timestamp(t)); }
  static value of(std::optional<timestamp> t) { return t ? of(*t) : value{}; }
  static value small(std::int64_t v) { return binary(static_cast<std::int16_t>(v)); }
  static value of(bool v) { return std::string(1, v ? '\1' : '\0'); }
  static value of(std::string_view text) { return std::string{text}; }
  static value text_if_any(std::string_view text) { return text.empty() ? value{} : of(text); }

 private:
  template <typename T>
  static std::string binary(T v) {
    std::string bytes(sizeof(T), '\0');
    pg::wire::put(bytes.data(), v);
    return bytes;
  }

  pg::owned_result made_;
};

}  // namespace coffer::simulation
