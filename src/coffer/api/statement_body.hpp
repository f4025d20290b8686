// The body of a statement, made page by page while it is sent.
#pragma once

#include <optional>
#include <string>

#include "coffer/http/body_source.hpp"
#include "coffer/service/statements.hpp"

namespace coffer::api {

inline constexpr std::string_view csv_type = "text/csv; charset=utf-8; header=present";

/// The formats of a statement.
enum class statement_format : std::uint8_t { json, csv };

/// The format that the value of Accept asks for: CSV when it names text/csv and does not prefer JSON.
statement_format accepted_format(std::string_view accept);

/// A statement as JSON or CSV. Holds one page of rows at a time.
class statement_body final : public http::body_source {
 public:
  /// `next_cursor` is empty at the end of the period. `from` must outlive the source.
  statement_body(service::statements& from, service::statement what, statement_format how, std::string next_cursor);

  net::task<std::string> next(net::deadline until) override;

 private:
  void begin(std::string& out) const;
  void append(std::string& out, const store::statement_row& line);
  void end(std::string& out) const;

  service::statements& from_;
  service::statement what_;
  statement_format how_;
  std::string next_cursor_;
  version at_;               ///< of the next row
  domain::credits balance_;  ///< before it
  bool begun_ = false;
  bool ended_ = false;
};

}  // namespace coffer::api
