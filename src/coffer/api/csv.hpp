// Comma-separated values (RFC 4180) that are safe to open in a spreadsheet.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace coffer::api {

namespace detail {

/// Characters that end a cell for some spreadsheet or some country's settings. A comma is safe inside quotes.
inline constexpr std::string_view cell_ends = ";\t|\r\n";

/// Whether a cell with this text is a formula, spaces and quotes in front of it ignored. The last four are the wide
/// forms of = + - @ (U+FF1D, U+FF0B, U+FF0D, U+FF20), which East Asian versions read as those.
inline bool is_formula(std::string_view cell) {
  cell.remove_prefix(std::min(cell.find_first_not_of(" \""), cell.size()));
  constexpr std::string_view wide[] = {"\xEF\xBC\x9D", "\xEF\xBC\x8B", "\xEF\xBC\x8D", "\xEF\xBC\xA0"};
  return (!cell.empty() && std::string_view{"=+-@"}.contains(cell.front())) ||
         std::ranges::any_of(wide, [cell](std::string_view sign) { return cell.starts_with(sign); });
}

}  // namespace detail

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

inline void csv_writer::separate() {
  if (!first_) {
    out_ += ',';
  }
  first_ = false;
}

inline void csv_writer::text(std::string_view value) {
  separate();
  const bool quoted = value.find_first_of(",\"\r\n") != std::string_view::npos;
  out_ += quoted ? "\"" : "";
  out_ += detail::is_formula(value) || value.starts_with('\t') || value.starts_with('\r') ? "'" : "";
  for (std::size_t i = 0; i < value.size(); ++i) {
    out_.append(value[i] == '"' ? 2 : 1, value[i]);
    if (detail::cell_ends.contains(value[i]) && detail::is_formula(value.substr(i + 1))) {
      out_ += '\'';
    }
  }
  out_ += quoted ? "\"" : "";
}

inline void csv_writer::number(std::int64_t value) {
  separate();
  const fmt::format_int digits{value};
  out_.append(digits.data(), digits.size());
}

inline void csv_writer::end_record() {
  out_ += "\r\n";
  first_ = true;
}

}  // namespace coffer::api
