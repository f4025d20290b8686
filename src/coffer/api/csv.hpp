// Comma-separated values (RFC 4180) that are safe to open in a spreadsheet.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace coffer::api {

/// Appends records to a string, field by field.
class csv_writer {
 public:
  explicit csv_writer(std::string& out) : out_{out} {}

  /// Text of any origin. Where a spreadsheet would see a formula an apostrophe is put in front: at the start of the
  /// text, and behind what a spreadsheet may take for the end of a cell although it is inside the text (a semicolon,
  /// tab, bar or line break). Quotes are added where a comma, quote or line break needs them.
  void text(std::string_view value);
  void number(std::int64_t value);
  void empty() { separate(); }
  /// Ends the record with CRLF.
  void end_record();

 private:
  void separate();

  std::string& out_;
  bool first_ = true;
};

}  // namespace coffer::api
