#include <string>

#include "support/catch.hpp"
#include "support/parsing.hpp"

namespace http_parser_limits_test {

using namespace coffer;
using test::parse_in_pieces;

namespace {

constexpr const char* too_long = "414 uri_too_long\n";
constexpr const char* too_many = "431 header_fields_too_large\n";
constexpr const char* too_large = "413 content_too_large\n";

/// The first word of each line: what became of the requests.
std::string outcome(const std::string& bytes) {
  std::vector<std::string_view> single;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    single.push_back(std::string_view{bytes}.substr(i, 1));
  }
  const std::string at_once = parse_in_pieces({bytes});
  // A body is judged by its declared length or per chunk, so even byte by byte the outcome is the same.
  if (parse_in_pieces(single) != at_once) {
    return "differs byte by byte";
  }
  return at_once.starts_with("4") ? at_once : at_once.substr(0, at_once.find(' '));
}

std::string fields(std::size_t count) {
  std::string text = "Host: h\r\n";
  for (std::size_t i = 1; i < count; ++i) {
    text += "A: b\r\n";
  }
  return text;
}

std::string chunk(std::size_t size) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "%zx", size);
  return digits + std::string{"\r\n"} + std::string(size, 'x') + "\r\n";
}

constexpr const char* chunked_head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
// Bytes of that head that count as header block.
constexpr std::size_t chunked_block = 9 + 28 + 2;

}  // namespace

TEST_CASE("a request line of 8192 bytes is accepted, one more is 414") {
  const std::size_t frame = std::string{"GET / HTTP/1.1\r\n"}.size();
  const auto of = [&](std::size_t size) {
    return "GET /" + std::string(size - frame, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n";
  };
  CHECK(outcome(of(8192)) == "GET");
  CHECK(outcome(of(8193)) == too_long);
}

TEST_CASE("a request line without end is refused once 8192 bytes of it have come") {
  CHECK(parse_in_pieces({"GET /" + std::string(8191 - 5, 'a')}) == "...\n");
  CHECK(parse_in_pieces({"GET /" + std::string(8192 - 5, 'a')}) == too_long);
}

TEST_CASE("a header block of 16384 bytes is accepted, one more is 431") {
  const auto of = [](std::size_t size) {
    const std::string frame = "Host: h\r\nX: \r\n\r\n";
    return "GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(size - frame.size(), 'a') + "\r\n\r\n";
  };
  CHECK(outcome(of(16384)) == "GET");
  CHECK(outcome(of(16385)) == too_many);
}

TEST_CASE("a header block without end is refused once 16384 bytes of it have come") {
  const std::string start = "GET / HTTP/1.1\r\n";
  CHECK(parse_in_pieces({start + "X: " + std::string(16383 - 3, 'a')}) == "...\n");
  CHECK(parse_in_pieces({start + "X: " + std::string(16384 - 3, 'a')}) == too_many);
}

TEST_CASE("100 header fields are accepted, one more is 431") {
  CHECK(outcome("GET / HTTP/1.1\r\n" + fields(100) + "\r\n") == "GET");
  CHECK(outcome("GET / HTTP/1.1\r\n" + fields(101) + "\r\n") == too_many);
}

TEST_CASE("a declared body of 16384 bytes is accepted, one more is 413 before it is sent") {
  const auto head = [](const std::string& size) {
    return "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + size + "\r\n\r\n";
  };
  CHECK(outcome(head("16384") + std::string(16384, 'x')) == "POST");
  CHECK(outcome(head("16385")) == too_large);
  CHECK(outcome(head("9223372036854775808")) == too_large);
  CHECK(outcome(head("18446744073709551616")) == too_large);
  CHECK(outcome(head("99999999999999999999999999")) == too_large);
}

TEST_CASE("a chunked body of 16384 bytes is accepted, one more is 413 at the chunk that announces it") {
  CHECK(outcome(chunked_head + chunk(16384) + "0\r\n\r\n") == "POST");
  CHECK(outcome(chunked_head + std::string{"4001\r\n"}) == too_large);
  CHECK(outcome(chunked_head + chunk(16000) + chunk(384) + "0\r\n\r\n") == "POST");
  CHECK(outcome(chunked_head + chunk(16000) + "181\r\n") == too_large);
  CHECK(outcome(chunked_head + std::string{"7fffffffffffffff\r\n"}) == too_large);
}

TEST_CASE("a body in chunks of one byte is no larger for its framing") {
  std::string bytes = chunked_head;
  for (int i = 0; i < 16384; ++i) {
    bytes += "1\r\nx\r\n";
  }
  CHECK(parse_in_pieces({bytes, "0\r\n\r\n"}).substr(0, 5) == "POST ");
}

TEST_CASE("chunk extensions count as header block") {
  const std::size_t room = 16384 - chunked_block;
  const auto of = [&](std::size_t extra) {
    return chunked_head + ("1;" + std::string(extra - 1, 'e')) + "\r\nx\r\n0\r\n\r\n";
  };
  CHECK(outcome(of(room)) == "POST");
  CHECK(outcome(of(room + 1)) == too_many);
  // Without an end, they are refused before they fill the memory.
  CHECK(parse_in_pieces({chunked_head, "1;" + std::string(room + 32, 'e')}) == too_many);
}

TEST_CASE("what chunk extensions may take is judged by the line, however its bytes are cut") {
  const std::size_t room = 16384 - chunked_block;
  for (const char* size : {"1", "3ff", "00000000000003ff"}) {
    for (std::size_t extra = room - 30; extra < room + 30; ++extra) {
      CAPTURE(size, extra);
      const std::string bytes = chunked_head + (size + (";" + std::string(extra, 'e'))) + "\r\nx";
      const std::string at_once = parse_in_pieces({bytes});
      for (std::size_t cut = 1; cut < 12; ++cut) {
        const std::string_view all{bytes};
        REQUIRE(parse_in_pieces({all.substr(0, all.size() - cut), all.substr(all.size() - cut)}) == at_once);
      }
    }
  }
}

TEST_CASE("needless zeros in chunk sizes count as header block") {
  const std::string start = chunked_head;
  CHECK(outcome(start + std::string(13, '0') + "1\r\nx\r\n0\r\n\r\n") == "POST");
  std::string many = start;
  for (int i = 0; i < 1200; ++i) {
    many += std::string(14, '0') + "1\r\nx\r\n";
  }
  CHECK(outcome(many) == too_many);
}

TEST_CASE("trailers count as header block and as header fields") {
  const std::size_t room = 16384 - chunked_block;
  const auto block = [&](std::size_t size) {
    return chunked_head + std::string{"0\r\nX: "} + std::string(size - 5, 't') + "\r\n\r\n";
  };
  CHECK(outcome(block(room)) == "POST");
  CHECK(outcome(block(room + 1)) == too_many);
  const auto count = [&](std::size_t number) {
    std::string bytes = chunked_head + std::string{"0\r\n"};
    for (std::size_t i = 0; i < number; ++i) {
      bytes += "A: b\r\n";
    }
    return bytes + "\r\n";
  };
  CHECK(outcome(count(98)) == "POST");
  CHECK(outcome(count(99)) == too_many);
}

}  // namespace http_parser_limits_test
