#include "coffer/api/csv.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace coffer::api {

void csv_writer::separate() {
  if (!first_) {
    out_ += ',';
  }
  first_ = false;
}

namespace {

/// Characters that end a cell for some spreadsheet or some country's settings. A comma is safe inside quotes.
constexpr std::string_view cell_ends = ";\t|\r\n";

/// Whether a cell with this text is a formula, spaces and quotes in front of it ignored. The last four are the wide
/// forms of = + - @ (U+FF1D, U+FF0B, U+FF0D, U+FF20), which East Asian versions read as those.
bool is_formula(std::string_view cell) {
  cell.remove_prefix(std::min(cell.find_first_not_of(" \""), cell.size()));
  constexpr std::string_view wide[] = {"\xEF\xBC\x9D", "\xEF\xBC\x8B", "\xEF\xBC\x8D", "\xEF\xBC\xA0"};
  return (!cell.empty() && std::string_view{"=+-@"}.contains(cell.front())) ||
         std::ranges::any_of(wide, [cell](std::string_view sign) { return cell.starts_with(sign); });
}

}  // namespace

void csv_writer::text(std::string_view value) {
  separate();
  const bool quoted = value.find_first_of(",\"\r\n") != std::string_view::npos;
  out_ += quoted ? "\"" : "";
  out_ += is_formula(value) || value.starts_with('\t') || value.starts_with('\r') ? "'" : "";
  for (std::size_t i = 0; i < value.size(); ++i) {
    out_.append(value[i] == '"' ? 2 : 1, value[i]);
    if (cell_ends.contains(value[i]) && is_formula(value.substr(i + 1))) {
      out_ += '\'';
    }
  }
  out_ += quoted ? "\"" : "";
}

void csv_writer::number(std::int64_t value) {
  separate();
  fmt::format_to(std::back_inserter(out_), "{}", value);
}

void csv_writer::end_record() {
  out_ += "\r\n";
  first_ = true;
}

}  // namespace coffer::api
