#include "coffer/base/gzip.hpp"

#include <zlib.h>

#include "support/catch.hpp"

namespace base_gzip_test {

namespace {

std::string unzip(std::string_view zipped, std::size_t most) {
  z_stream machine{};
  REQUIRE(inflateInit2(&machine, 15 + 16) == Z_OK);
  std::string text(most, '\0');
  machine.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(zipped.data()));
  machine.avail_in = static_cast<uInt>(zipped.size());
  machine.next_out = reinterpret_cast<Bytef*>(text.data());
  machine.avail_out = static_cast<uInt>(text.size());
  CHECK(inflate(&machine, Z_FINISH) == Z_STREAM_END);
  text.resize(machine.total_out);
  inflateEnd(&machine);
  return text;
}

}  // namespace

TEST_CASE("what is compressed can be read again, and is smaller") {
  std::string text;
  for (int i = 0; i < 20'000; ++i) {
    text += "line " + std::to_string(i % 100) + "\n";
  }
  const std::string zipped = coffer::gzip(text);
  CHECK(zipped.size() < text.size() / 10);
  CHECK((unzip(zipped, text.size() + 1) == text));
  CHECK(unzip(coffer::gzip(""), 1).empty());
  CHECK((coffer::gzip(text) == zipped));
}

}  // namespace base_gzip_test
