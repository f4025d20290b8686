#include "coffer/api/line_reader.hpp"

#include <vector>

#include "support/catch.hpp"

namespace api_line_reader_test {

using coffer::api::line_reader;
using status = line_reader::status;

namespace {

struct read_lines {
  std::vector<std::string> lines;
  std::vector<std::size_t> numbers;
  bool too_long = false;
};

/// Feeds `text` in pieces of `size` bytes.
read_lines read(std::string_view text, std::size_t size) {
  read_lines all;
  line_reader reader;
  std::string line;
  for (std::size_t at = 0;; at += size) {
    const bool at_end = at >= text.size();
    reader.piece() = at_end ? std::string{} : std::string{text.substr(at, size)};
    reader.fed();
    for (;;) {
      const status got = reader.next(line, at_end);
      if (got == status::line) {
        all.lines.push_back(line);
        all.numbers.push_back(reader.number());
        continue;
      }
      if (got == status::too_long) {
        all.too_long = true;
        return all;
      }
      break;
    }
    if (at_end) {
      return all;
    }
  }
}

}  // namespace

TEST_CASE("lines are the same however they are cut into pieces") {
  const std::string text = "one\n\n \t\r\ntwo\r\nthr\ree\r\n\nlast";
  for (std::size_t size = 1; size <= text.size(); ++size) {
    CAPTURE(size);
    const read_lines got = read(text, size);
    CHECK(got.lines == std::vector<std::string>{"one", "two", "thr\ree", "last"});
    CHECK(got.numbers == std::vector<std::size_t>{1, 4, 5, 7});
    CHECK_FALSE(got.too_long);
  }
}

TEST_CASE("a line may have 16 KiB, its end not counted, and no byte more") {
  const std::string longest(line_reader::longest, 'x');
  for (const std::size_t size : {std::size_t{1000}, std::size_t{16384}, std::size_t{16385}, std::size_t{100'000}}) {
    CAPTURE(size);
    for (const char* end : {"\n", "\r\n", ""}) {
      const read_lines got = read("a\n" + longest + end, size);
      CHECK(got.lines.size() == 2);
      CHECK_FALSE(got.too_long);
    }
    for (const char* end : {"\n", "\r\n", "", "x\r\n"}) {
      const read_lines got = read("a\n" + longest + "x" + end, size);
      CHECK(got.lines == std::vector<std::string>{"a"});
      CHECK(got.too_long);
    }
  }
}

}  // namespace api_line_reader_test
