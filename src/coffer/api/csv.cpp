#include "coffer/api/csv.hpp"

#include <fmt/format.h>

namespace coffer::api {

void csv_writer::separate() {
  if (!first_) {
    out_ += ',';
  }
  first_ = false;
}

void csv_writer::text(std::string_view value) {
  separate();
  const bool formula = !value.empty() && std::string_view{"=+-@\t\r"}.contains(value.front());
  const bool quoted = value.find_first_of(",\"\r\n") != std::string_view::npos;
  out_ += quoted ? "\"" : "";
  out_ += formula ? "'" : "";
  for (const char c : value) {
    out_.append(c == '"' ? 2 : 1, c);
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
