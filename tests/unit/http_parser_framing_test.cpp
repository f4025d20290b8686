// Where a message has CR LF, nothing else may stand, wherever the message is and however it is cut; and what RFC 9112
// allows between them is read as it says.
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/parsing.hpp"

namespace http_parser_framing_test {

using namespace coffer;
using test::parse_all_ways;
using test::parse_in_pieces;

namespace {

/// A message as its texts; between two of them is CR LF.
using message = std::vector<std::string>;

const std::string next = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";

const message plain = {"GET / HTTP/1.1", "Host: h", "X: a", "", ""};
const message behind_an_empty_line = {"", "GET / HTTP/1.1", "Host: h", "", ""};
const message sized = {"POST / HTTP/1.1", "Host: h", "Content-Length: 2", "", "{}"};
const message chunked = {"POST / HTTP/1.1", "Host: h", "Transfer-Encoding: chunked", "", "2", "{}", "0", "", ""};
const message chunked_with_everything = {"POST / HTTP/1.1",
                                         "Host: h",
                                         "Transfer-Encoding: chunked",
                                         "",
                                         "2;a;b=c;d=\"e f\"",
                                         "{}",
                                         "00a ; x",
                                         "0123456789",
                                         "0;last",
                                         "X-Sum: 1",
                                         "Y:",
                                         "",
                                         ""};

/// The message with `end` in place of the line end at `at`, and with CR LF everywhere else.
std::string with_line_end(const message& m, std::size_t at, const std::string& end) {
  std::string bytes;
  for (std::size_t i = 0; i < m.size(); ++i) {
    bytes += m[i];
    bytes += i + 1 == m.size() ? "" : i == at ? end : "\r\n";
  }
  return bytes;
}

std::string chunks(const std::string& body) {
  return "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + body;
}

constexpr const char* posted = "POST / [Host: h] [Transfer-Encoding: chunked] body=hello\n";

}  // namespace

TEST_CASE("in no place of a message does anything but CR LF end a line, and nothing behind it is executed") {
  for (const message& m : {plain, behind_an_empty_line, sized, chunked, chunked_with_everything}) {
    const std::string good = with_line_end(m, m.size(), "");
    CAPTURE(good);
    const std::string whole = parse_all_ways(good + next);
    REQUIRE(whole.ends_with("\nGET /smuggled [Host: h]\n"));
    REQUIRE(whole.find("400") == std::string::npos);
    for (std::size_t at = 0; at + 1 < m.size(); ++at) {
      for (const char* end : {"\n", "\r", "\r\r\n", "\n\r", "\n\n", "\r\n ", " \n", "\r \n"}) {
        CAPTURE(at, end);
        const std::string bad = with_line_end(m, at, end);
        // Behind a request that is whole, and first of all.
        const std::string outcome = parse_all_ways(bad + next);
        REQUIRE(outcome.find("/smuggled") == std::string::npos);
        REQUIRE((outcome.ends_with("400 malformed_request\n") || outcome == "505 http_version_not_supported\n"));
        REQUIRE(parse_in_pieces({good + bad + next}).find("/smuggled") == std::string::npos);
      }
    }
  }
}

TEST_CASE("chunk extensions have the grammar of RFC 9112 section 7.1.1") {
  for (const std::string extension :
       {"", ";a", ";a=b", ";a=b;c", "; a", " ;a", "\t;\ta\t=\tb", ";a = b", ";a ;b", ";a;b;c;d=e", ";a=\"\"",
        ";a=\"b c\"", ";a=\";\\\"=\\\\\"", ";a=\"b\" ;c", ";a=\"\xc3\xa4\"", ";!#$%&'*+-.^_`|~=1", ";5", ";a=\"\t\""}) {
    CAPTURE(extension);
    CHECK(parse_all_ways(chunks("5" + extension + "\r\nhello\r\n0" + extension + "\r\n\r\n")) == posted);
  }
  for (const std::string extension :
       {";",      "; ",      ";=b",     ";a=",         ";a= ",   ";;a",       ";a;",    ";a=b c",    ";a b",
        " a",     " ",       ";a ",     ";a=b ",       ";a=\"b", ";a=\"b\"c", ";a=b\"", ";\"a\"",    ";a==b",
        ";a=b=c", ";a=\"\\", ";a=\x01", ";a=\"\x7f\"", ",a",     ";a,b",      ";a=(b)", ";\xc3\xa4", ";a=\xc3\xa4"}) {
    CAPTURE(extension);
    CHECK(parse_all_ways(chunks("5" + extension + "\r\nhello\r\n0\r\n\r\n" + next)) == "400 malformed_request\n");
    CHECK(parse_all_ways(chunks("5\r\nhello\r\n0" + extension + "\r\n\r\n" + next)) == "400 malformed_request\n");
  }
}

TEST_CASE("chunked is known in any case; another coding is 501, and what is no list of codings 400") {
  const auto with = [](const std::string& fields) {
    return "POST / HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n5\r\nhello\r\n0\r\n\r\n" + next;
  };
  for (const char* name : {"chunked", "Chunked", "CHUNKED", "cHuNkEd", "  chunked\t", "\tchunked"}) {
    CAPTURE(name);
    const std::string outcome = parse_all_ways(with("Transfer-Encoding:" + std::string{name} + "\r\n"));
    CHECK(outcome.find(" body=hello\nGET /smuggled") != std::string::npos);
  }
  for (const char* fields :
       {"Transfer-Encoding: gzip\r\n", "Transfer-Encoding: identity\r\n", "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: gzip;q=1, chunked\r\n", "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunkedx\r\n", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"}) {
    CAPTURE(fields);
    CHECK(parse_all_ways(with(fields)) == "501 not_implemented\n");
  }
  for (const char* fields :
       {"Transfer-Encoding: chunked, chunked\r\n", "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: chunked;a=b\r\n", "Transfer-Encoding: \r\n", "Transfer-Encoding: ,chunked\r\n",
        "Transfer-Encoding: chunked,\r\n", "Transfer-Encoding: chun ked\r\n", "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: Chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: Chunked\r\nContent-Length: 5\r\n", "Transfer-Encoding: gzip\r\nContent-Length: 5\r\n"}) {
    CAPTURE(fields);
    CHECK(parse_all_ways(with(fields)) == "400 malformed_request\n");
  }
}

TEST_CASE("a tab around a value is space, wherever the value has a meaning") {
  CHECK(parse_all_ways("POST / HTTP/1.1\r\nHost:\th\t\r\nContent-Length: 5\t\r\n\r\nhello" + next) ==
        "POST / [Host: h] [Content-Length: 5] body=hello\nGET /smuggled [Host: h]\n");
  CHECK(parse_all_ways("POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\t\t5 \t \r\n\r\nhello") ==
        "POST / [Host: h] [Content-Length: 5] body=hello\n");
  CHECK(parse_all_ways("GET / HTTP/1.1\r\nHost: h\r\nConnection:\tclose\t\r\n\r\n") ==
        "GET / [Host: h] [Connection: close] close\n");
  CHECK(parse_all_ways("GET / HTTP/1.0\r\nConnection: Keep-Alive\t\r\n\r\n") == "GET / [Connection: Keep-Alive] 1.0\n");
  CHECK(parse_all_ways("GET / HTTP/1.1\r\nHost: h\r\nX: a\tb\r\n\r\n") == "GET / [Host: h] [X: a\tb]\n");
  for (const char* length : {"5\t5", "\t", "5\t,5", "5,\t5"}) {
    CAPTURE(length);
    CHECK(parse_all_ways("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::string{length} + "\r\n\r\nhello" +
                         next) == "400 malformed_request\n");
  }
}

TEST_CASE("two Content-Types are refused, whatever they say") {
  CHECK(parse_all_ways(
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\ncontent-type: application/json\r\n"
            "Content-Length: 2\r\n\r\n{}" +
            next) == "400 malformed_request\n");
}

TEST_CASE("OPTIONS asks for the whole server with an asterisk, and nothing else does") {
  CHECK(parse_all_ways("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n") == "OPTIONS * [Host: h]\n");
  CHECK(parse_all_ways("GET * HTTP/1.1\r\nHost: h\r\n\r\n" + next) == "400 malformed_request\n");
}

}  // namespace http_parser_framing_test
