#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/parsing.hpp"

namespace http_parser_strictness_test {

using namespace coffer;
using test::parse_all_ways;

namespace {

using namespace std::string_literals;

constexpr const char* malformed = "400 malformed_request\n";
const std::string next = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";

std::string post(const std::string& fields, const std::string& body = "") {
  return "POST / HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n" + body + next;
}

std::string chunked(const std::string& body) { return post("Transfer-Encoding: chunked\r\n", body); }

void check_all_malformed(const std::vector<std::string>& streams) {
  for (const std::string& bytes : streams) {
    CAPTURE(bytes);
    CHECK(parse_all_ways(bytes) == malformed);
  }
}

}  // namespace

TEST_CASE("exactly one valid Host is required in HTTP/1.1") {
  check_all_malformed({
      "GET / HTTP/1.1\r\n\r\n" + next,
      "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n" + next,
      "GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n" + next,
      "GET / HTTP/1.1\r\nHost:\r\n\r\n" + next,
      "GET / HTTP/1.1\r\nHost: a b\r\n\r\n" + next,
      "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n" + next,
      "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n" + next,
      "GET / HTTP/1.1\r\nHost: u@h\r\n\r\n" + next,
      "GET / HTTP/1.1\r\nHost: h:99999\r\n\r\n" + next,
      "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n" + next,
      "GET / HTTP/1.0\r\nHost: a b\r\n\r\n" + next,
  });
}

TEST_CASE("a length and a transfer coding exclude each other, in either order") {
  check_all_malformed({
      post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
      post("Transfer-Encoding: chunked\r\nContent-Length: 6\r\n", "0\r\n\r\n"),
      post("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", "0\r\n\r\n"),
      post("content-length: 0\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
  });
}

TEST_CASE("a length that is malformed or there twice is refused") {
  std::vector<std::string> streams;
  for (const char* value : {"", "+3", "-3", "3 3", "3,3", "3, 3", "0x3", "3.0", "3a", "a", "\"3\"", "\t", "1e1"}) {
    streams.push_back(post("Content-Length: "s + value + "\r\n", "abc"));
  }
  streams.push_back(post("Content-Length: 3\r\nContent-Length: 4\r\n", "abc"));
  streams.push_back(post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"));
  streams.push_back(post("Content-Length: 3\r\nCONTENT-LENGTH: 0\r\n", "abc"));
  check_all_malformed(streams);
}

TEST_CASE("a transfer coding is a list of tokens, in HTTP/1.1") {
  std::vector<std::string> streams;
  for (const char* value : {"chunked\x0b",
                            "\x0b"
                            "chunked",
                            "\xc2\xa0"
                            "chunked"}) {
    streams.push_back(post("Transfer-Encoding: "s + value + "\r\n", "0\r\n\r\n"));
  }
  streams.push_back(post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"));
  streams.push_back(post("Transfer_Encoding: x\r\nTransfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"));
  streams.push_back("POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + next);
  check_all_malformed(streams);
}

TEST_CASE("lines end with CR and LF, and nothing else does") {
  check_all_malformed({
      "GET / HTTP/1.1\nHost: h\r\n\r\n" + next,
      "GET / HTTP/1.1\r\nHost: h\n\r\n" + next,
      "GET / HTTP/1.1\r\nHost: h\r\n\n" + next,
      "GET / HTTP/1.1\r\nHost: h\r\nX: a\n\n" + next,
      "GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n" + next,
      "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\r\n\r\n" + next,
      "GET / HTTP/1.1\r\nHost: h\r\nX-Abc:\rxTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + next,
      "GET / HTTP/1.1\r\nHost: h\r\n\rX: a\r\n\r\n" + next,
      "GET / HTTP/1.1\rHost: h\r\n\r\n" + next,
      "GET / HTTP/1.1\r\r\nHost: h\r\n\r\n" + next,
      "GET / HTTP/1.1\r\n\rHost: h\r\n\r\n" + next,
  });
}

TEST_CASE("control characters are refused anywhere in a head") {
  std::vector<std::string> streams;
  for (const char c : {'\0', '\x01', '\x08', '\x0b', '\x0c', '\x1b', '\x7f'}) {
    const std::string bad(1, c);
    streams.push_back("GET / HTTP/1.1\r\nHost: h\r\nX: a" + bad + "b\r\n\r\n" + next);
    streams.push_back("GET / HTTP/1.1\r\nHost: h\r\nX" + bad + ": a\r\n\r\n" + next);
    streams.push_back("GET /" + bad + " HTTP/1.1\r\nHost: h\r\n\r\n" + next);
    streams.push_back("G" + bad + "T / HTTP/1.1\r\nHost: h\r\n\r\n" + next);
  }
  check_all_malformed(streams);
}

TEST_CASE("names are tokens up to the colon, and no field is folded") {
  check_all_malformed({
      "GET / HTTP/1.1\r\nHost: h\r\nX : a\r\n\r\n" + next,
      "GET / HTTP/1.1\r\nHost : h\r\n\r\n" + next,
      "GET / HTTP/1.1\r\nHost: h\r\nX Y: a\r\n\r\n" + next,
      "GET / HTTP/1.1\r\nHost: h\r\n: a\r\n\r\n" + next,
      "GET / HTTP/1.1\r\nHost: h\r\nX\r\n\r\n" + next,
      "GET / HTTP/1.1\r\nHost: h\r\nX\t: a\r\n\r\n" + next,
      "GET / HTTP/1.1\r\nHost: h\r\n(x): a\r\n\r\n" + next,
      "GET / HTTP/1.1\r\nHost: h\r\nX\xe4: a\r\n\r\n" + next,
      "GET / HTTP/1.1\r\n Host: h\r\n\r\n" + next,
      "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n" + next,
      "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n\tb\r\n\r\n" + next,
      "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n \r\n\r\n" + next,
  });
}

TEST_CASE("bytes beyond ASCII in a value are kept as they are") {
  CHECK(parse_all_ways("GET / HTTP/1.1\r\nHost: h\r\nX: \xc3\xa4\r\n\r\n") == "GET / [Host: h] [X: \xc3\xa4]\n");
}

TEST_CASE("chunk sizes are hexadecimal numbers and chunks end where they say") {
  check_all_malformed({
      chunked("x\r\n"),
      chunked("-1\r\nx\r\n0\r\n\r\n"),
      chunked("+1\r\nx\r\n0\r\n\r\n"),
      chunked("0x1\r\nx\r\n0\r\n\r\n"),
      chunked(" 1\r\nx\r\n0\r\n\r\n"),
      chunked("1 \r\nx\r\n0\r\n\r\n"),
      chunked("1 1\r\nx\r\n0\r\n\r\n"),
      chunked("\r\n0\r\n\r\n"),
      chunked("1\nx\r\n0\r\n\r\n"),
      chunked("1\rx\r\n0\r\n\r\n"),
      chunked("1\r\nxy\r\n0\r\n\r\n"),
      chunked("1\r\nx0\r\n\r\n"),
      chunked("1\r\nx\n0\r\n\r\n"),
      chunked("1\r\nx\r0\r\n\r\n"),
      chunked("10000000000000000\r\nx\r\n0\r\n\r\n"),
      chunked("ffffffffffffffff1\r\nx\r\n0\r\n\r\n"),
      chunked("1;a\nb\r\nx\r\n0\r\n\r\n"),
      chunked("1;a\rb\r\nx\r\n0\r\n\r\n"),
      chunked("0\r\nX: a\nY: b\r\n\r\n"),
      chunked("0\r\nX : a\r\n\r\n"),
      chunked("0\r\n X: a\r\n\r\n"),
      chunked("0\r\nX: a\r\n b\r\n\r\n"),
      chunked("0\r\nX: a\rb\r\n\r\n"),
      chunked("0\r\nX: \0\r\n\r\n"s),
  });
}

TEST_CASE("a trailer has names and is not folded") {
  check_all_malformed({
      chunked("0\r\n: a\r\n\r\n"),
      chunked("0\r\nX: a\r\n: a\r\n\r\n"),
      chunked("0\r\nX: a\r\n\tb\r\n\r\n"),
      chunked("0\r\nX\r\n\r\n"),
  });
}

TEST_CASE("a trailer changes nothing about the request that it follows or the one behind it") {
  CHECK(parse_all_ways(chunked("1\r\nx\r\n0\r\nHost: evil\r\nConnection: close\r\n\r\n")) ==
        "POST / [Host: h] [Transfer-Encoding: chunked] body=x\nGET /smuggled [Host: h]\n");
}

}  // namespace http_parser_strictness_test
