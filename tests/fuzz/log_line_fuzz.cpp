// Whatever is logged, a line stays a line, and JSON.
#include <string>

#include "coffer/base/log_line.hpp"
#include "coffer/json/diagnose.hpp"
#include "fuzz/fuzz.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace coffer;
  const std::string_view text = fuzz::text_of(data, size);
  const std::string line = log::json_line(timestamp{}, log::level::info, "request", {{"path", text}, {"status", size}});
  fuzz::require(line.find_first_of("\r\n") == std::string::npos, "a line has no line break");
  fuzz::require(!json::find_fault(line), "a line is JSON");
  const std::string shown = log::text_line(timestamp{}, log::level::info, "request", {{"path", text}});
  for (const char c : shown) {
    fuzz::require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F, "a terminal sees no control characters");
  }
  return 0;
}
