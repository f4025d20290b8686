// Migration files: the first line is the file's name.
#include <string>

#include "coffer/app/migrations.hpp"
#include "fuzz/fuzz.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace coffer;
  const std::string_view text = fuzz::text_of(data, size);
  const std::size_t end = std::min(text.find('\n'), text.size());
  const auto parsed = app::parse_migration(text.substr(0, end), text.substr(std::min(end + 1, text.size())));
  if (!parsed) {
    fuzz::require(!parsed.error().empty(), "a refusal says why");
    return 0;
  }
  fuzz::require(!parsed->version.empty(), "a migration has a version");
  return 0;
}
