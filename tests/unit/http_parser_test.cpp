#include "coffer/http/parser.hpp"

#include <string>

#include "support/catch.hpp"
#include "support/parsing.hpp"

namespace http_parser_test {

using namespace coffer;
using test::parse_all_ways;
using test::parse_in_pieces;

TEST_CASE("a request without a body is complete at the empty line, however it arrives") {
  CHECK(parse_all_ways("GET /users/1?a=b HTTP/1.1\r\nHost: h\r\nX-Empty:\r\nX-Space: \t v w \t\r\n\r\n") ==
        "GET /users/1?a=b [Host: h] [X-Empty: ] [X-Space: v w]\n");
}

TEST_CASE("a body of declared length is read, and the next request begins behind it") {
  CHECK(parse_all_ways("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
                       "GET /b HTTP/1.1\r\nHost: h\r\n\r\nGET") ==
        "POST /a [Host: h] [Content-Length: 5] body=hello\nGET /b [Host: h]\n...\n");
}

TEST_CASE("a chunked body is put together, extensions and trailers are dropped") {
  CHECK(parse_all_ways("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "5;a=\"d\"\r\nhello\r\n00B\r\n, wide world\r\n0\r\nX-Sum: 1\r\nX-Empty:\r\n\r\n"
                       "GET /b HTTP/1.1\r\nHost: h\r\n\r\n") == "400 malformed_request\n");
  CHECK(parse_all_ways("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "5;a=\"d\"\r\nhello\r\n00C\r\n, wide world\r\n0\r\nX-Sum: 1\r\nX-Empty:\r\n\r\n"
                       "GET /b HTTP/1.1\r\nHost: h\r\n\r\n") ==
        "POST /a [Host: h] [Transfer-Encoding: chunked] body=hello, wide world\nGET /b [Host: h]\n");
}

TEST_CASE("a bad second request leaves the first intact and ends the stream") {
  CHECK(parse_all_ways("GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\nHost: h\r\n\r\n") ==
        "GET /a [Host: h]\n400 malformed_request\n");
}

TEST_CASE("connections are kept by default in HTTP/1.1 and closed by default in HTTP/1.0") {
  CHECK(parse_all_ways("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n") ==
        "GET / [Host: h] [Connection: close] close\n");
  CHECK(parse_all_ways("GET / HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n") ==
        "GET / [Host: h] [Connection: x, Close] close\n");
  CHECK(parse_all_ways("GET / HTTP/1.0\r\n\r\n") == "GET / 1.0 close\n");
  CHECK(parse_all_ways("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n") == "GET / [Connection: keep-alive] 1.0\n");
}

TEST_CASE("an upgrade is ignored and the bytes behind it stay HTTP") {
  CHECK(parse_all_ways("GET /a HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
                       "GET /b HTTP/1.1\r\nHost: h\r\n\r\n") ==
        "GET /a [Host: h] [Connection: upgrade] [Upgrade: h2c]\nGET /b [Host: h]\n");
  CHECK(parse_all_ways(
            "POST /a HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nok") ==
        "POST /a [Host: h] [Connection: upgrade] [Upgrade: x] [Content-Length: 2] body=ok\n");
}

TEST_CASE("CONNECT and TRACE are passed on, CONNECT as the last request") {
  CHECK(parse_all_ways("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n") == "CONNECT h:443 [Host: h:443] close\n");
  CHECK(parse_all_ways("TRACE / HTTP/1.1\r\nHost: h\r\n\r\n") == "TRACE / [Host: h]\n");
}

TEST_CASE("one empty line before a request is skipped, a second one is not") {
  CHECK(parse_all_ways("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n") == "GET / [Host: h]\n");
  CHECK(parse_all_ways("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n") == "400 malformed_request\n");
  CHECK(parse_all_ways("\nGET / HTTP/1.1\r\nHost: h\r\n\r\n") == "400 malformed_request\n");
}

TEST_CASE("a client that expects 100 Continue is noticed, other expectations are refused") {
  const std::string head = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n";
  http::limits most;
  http::parser parser{most};
  http::request r;
  const std::string waiting = head + "Expect: 100-Continue\r\n\r\n";
  const auto step = parser.feed(waiting, r);
  CHECK(step.result == http::parser::status::need_more);
  CHECK(step.consumed == waiting.size());
  CHECK(parser.where() == http::parser::phase::body);
  CHECK(parser.expects_continue());
  CHECK(parser.feed("ok", r).result == http::parser::status::complete);
  CHECK(parse_all_ways(head + "Expect: the-impossible\r\n\r\nok") == "417 expectation_failed\n");
  CHECK(parse_all_ways(head + "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\nok") == "417 expectation_failed\n");

  parser.next();
  r.clear();
  parser.feed("POST /a HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n", r);
  CHECK_FALSE(parser.expects_continue());
}

TEST_CASE("an acceptable request id is taken over, even from a request that is refused") {
  http::limits most;
  http::parser parser{most};
  http::request r;
  parser.feed("GET / HTTP/1.1\r\nHost: h\r\nx-REQUEST-id: a-1\r\n\r\n", r);
  CHECK(r.request_id == "a-1");
  CHECK(parse_all_ways("GET / HTTP/1.1\r\nX-Request-Id: a-1\r\n\r\n") == "400 malformed_request id=a-1\n");
  CHECK(parse_all_ways("GET / HTTP/1.1\r\nHost: h\r\nX-Request-Id: a-1 \r\nBad Name: x\r\n\r\n") ==
        "400 malformed_request id=a-1\n");
  CHECK(parse_all_ways("GET / HTTP/1.1\r\nX-Request-Id: a b\r\n\r\n") == "400 malformed_request\n");
}

TEST_CASE("versions and methods that are not spoken here are told apart from nonsense") {
  CHECK(parse_all_ways("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == "505 http_version_not_supported\n");
  CHECK(parse_all_ways("GET / HTTP/1.2\r\nHost: h\r\n\r\n") == "505 http_version_not_supported\n");
  CHECK(parse_all_ways("BREW / HTTP/1.1\r\nHost: h\r\n\r\n") == "501 not_implemented\n");
  CHECK(parse_all_ways("OPTIONS / RTSP/1.0\r\nHost: h\r\n\r\n") == "400 malformed_request\n");
  CHECK(parse_all_ways("GET /\r\n") == "400 malformed_request\n");
  CHECK(parse_in_pieces({"\x16\x03\x01\x02"}) == "400 malformed_request\n");
}

}  // namespace http_parser_test
