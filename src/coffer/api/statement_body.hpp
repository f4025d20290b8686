// The body of a statement, made page by page while it is sent.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "coffer/api/audience.hpp"
#include "coffer/api/list_query.hpp"
#include "coffer/api/shape.hpp"
#include "coffer/http/body_source.hpp"
#include "coffer/service/statements.hpp"

namespace coffer::api {

inline constexpr std::string_view csv_type = "text/csv; charset=utf-8; header=present";

inline constexpr std::array<std::string_view, 2> statement_formats = {"json", "csv"};

inline constexpr query_parameter from_parameter{
    .name = "from", .type = "string", .text = "RFC 3339: rows of this time and later.", .format = "date-time"};
inline constexpr query_parameter to_parameter{
    .name = "to", .type = "string", .text = "RFC 3339: rows before this time.", .format = "date-time"};
inline constexpr query_parameter rows_parameter{
    .name = "limit", .type = "integer", .text = "At most so many rows. Absent: all of the period."};
inline constexpr query_parameter format_parameter{
    .name = "format", .type = "string", .text = "Absent: what the header Accept prefers.", .names = statement_formats};

inline constexpr query_parameter bom_parameter{
    "bom", "boolean", "Of CSV: whether it begins with a byte order mark, which Excel needs to read UTF-8."};

/// What an item of a statement looks like.
void add_statement_shape(shapes& all);

/// The formats of a statement.
enum class statement_format : std::uint8_t { json, csv };

/// The format that the value of Accept asks for: CSV when it names text/csv and does not prefer JSON.
statement_format accepted_format(std::string_view accept);

/// A statement as JSON or CSV. Holds one page of rows at a time.
class statement_body final : public http::body_source {
 public:
  /// `next_cursor` is empty at the end of the period; `marked`: CSV with a byte order mark. `from` must outlive the
  /// source.
  statement_body(service::statements& from, service::statement what, statement_format how, bool marked,
                 std::string next_cursor, audience to);

  net::task<std::string> next(net::deadline until) override;

 private:
  void begin(std::string& out) const;
  void append(std::string& out, const store::statement_row& line);
  void end(std::string& out) const;

  service::statements& from_;
  service::statement what_;
  statement_format how_;
  bool marked_;
  std::string next_cursor_;
  audience to_;
  version at_;               ///< of the next row
  domain::credits balance_;  ///< before it
  bool begun_ = false;
  bool ended_ = false;
};

}  // namespace coffer::api
