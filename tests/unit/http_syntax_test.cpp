#include "coffer/http/syntax.hpp"

#include <string>

#include "support/catch.hpp"

namespace http_syntax_test {

using namespace coffer;

namespace {

/// The status of the refusal, or 0.
int refused_with(std::string_view line) {
  http::request r;
  const auto why = http::read_request_line(line, r);
  return why ? why->status : 0;
}

}  // namespace

TEST_CASE("a request line is a method, a target and a version, one space apart") {
  CHECK(refused_with("GET / HTTP/1.1") == 0);
  CHECK(refused_with("GET / HTTP/1.0") == 0);
  for (const char* line :
       {"", "GET", "GET /", "GET  / HTTP/1.1", "GET /  HTTP/1.1", " GET / HTTP/1.1", "GET / HTTP/1.1 ",
        "GET /a b HTTP/1.1", "GET\t/ HTTP/1.1", "G@T / HTTP/1.1", "GET / http/1.1", "GET / HTTP", "GET / HTTP/",
        "GET / HTTP/1.", "GET / HTTP/11.1", "GET / HTTP/1.1.1", "GET / XTTP/1.1", "GET / HTTP/a.b", "GET / ICE/1.0"}) {
    CAPTURE(line);
    CHECK(refused_with(line) == 400);
  }
}

TEST_CASE("an unknown version is 505 and an unknown method 501") {
  for (const char* line : {"GET / HTTP/2.0", "GET / HTTP/1.2", "GET / HTTP/0.9", "PRI * HTTP/2.0", "GET / HTTP/3"}) {
    CAPTURE(line);
    CHECK(refused_with(line) == 505);
  }
  for (const char* line : {"BREW / HTTP/1.1", "get / HTTP/1.1", "PROPFIND / HTTP/1.1", "SOURCE / HTTP/1.1"}) {
    CAPTURE(line);
    CHECK(refused_with(line) == 501);
  }
}

TEST_CASE("a target has a form that its method allows") {
  CHECK(refused_with("OPTIONS * HTTP/1.1") == 0);
  CHECK(refused_with("CONNECT example.org:443 HTTP/1.1") == 0);
  CHECK(refused_with("GET http://example.org/x HTTP/1.1") == 0);
  CHECK(refused_with("GET HTTPS://[::1]:80?x HTTP/1.1") == 0);
  for (const char* target : {"*", "x", "ftp://h/", "http://", "http:///x", "http://a b/", "http://u@h/", "/#f", "/%",
                             "/%4", "/%zz", "/?a=%", "/\x80", "/\x7f", "example.org:443"}) {
    CAPTURE(target);
    CHECK(refused_with("GET " + std::string{target} + " HTTP/1.1") == 400);
  }
  CHECK(refused_with("CONNECT /x HTTP/1.1") == 400);
}

TEST_CASE("path and query are found in every form of the target") {
  struct example {
    std::string target, path, query;
  };
  for (const auto& [target, path, query] :
       {example{"/a/b?c=d?e", "/a/b", "c=d?e"}, example{"/a", "/a", ""}, example{"/a?", "/a", ""},
        example{"http://h/a?b", "/a", "b"}, example{"http://h", "/", ""}, example{"http://h?b", "/", "b"},
        example{"/a?u=http://h/x", "/a", "u=http://h/x"}, example{"/http://h/x", "/http://h/x", ""},
        example{"*", "*", ""}}) {
    CAPTURE(target);
    http::request r;
    r.set_target(target);
    CHECK(r.path() == path);
    CHECK(r.query() == query);
  }
}

TEST_CASE("a host is a name or an address with an optional port") {
  for (const char* host :
       {"example.org", "localhost:8080", "127.0.0.1", "[::1]", "[::1]:80", "a_b", "h:", "%41b", "h:65535"}) {
    CAPTURE(host);
    CHECK(http::valid_host(host));
  }
  for (const char* host : {"",   ":80",     "a b", "a/b",    "u@h",   "h:x", "h:65536", "h:1:2", "[::1", "::1",
                           "[]", "[xyz]:1", "[1]", "[::1]x", "a,b c", "h\t", "%4",      "%zz",   "a?b",  "a\"b"}) {
    CAPTURE(host);
    CHECK_FALSE(http::valid_host(host));
  }
}

TEST_CASE("a client's request id is 1 to 64 letters, digits, dots, underscores and hyphens") {
  CHECK(http::acceptable_request_id("a"));
  CHECK(http::acceptable_request_id("A-z_0.9"));
  CHECK(http::acceptable_request_id(std::string(64, 'x')));
  CHECK_FALSE(http::acceptable_request_id(std::string(65, 'x')));
  for (const char* id : {"", " ", "a b", "a,b", "\xc3\xa4", "a\x01", "a\"", "a/b"}) {
    CAPTURE(id);
    CHECK_FALSE(http::acceptable_request_id(id));
  }
}

TEST_CASE("a Content-Length is digits; one beyond 2^63-1 is told from a malformed one") {
  using kind = http::content_length::kind;
  CHECK(http::read_content_length("0").value == 0);
  CHECK(http::read_content_length("007").value == 7);
  CHECK(http::read_content_length("9223372036854775807").what == kind::number);
  CHECK(http::read_content_length("9223372036854775808").what == kind::too_large);
  CHECK(http::read_content_length("99999999999999999999999").what == kind::too_large);
  for (const char* text : {"", "+1", "-1", "1 ", "1,1", "0x1", "1.0", "1 1"}) {
    CAPTURE(text);
    CHECK(http::read_content_length(text).what == kind::malformed);
  }
}

TEST_CASE("what cannot become a request line is seen before its end") {
  CHECK(http::may_begin_request_line("G"));
  CHECK(http::may_begin_request_line("GET /x HT"));
  CHECK(http::may_begin_request_line("GET / HTTP/1.1\r"));
  CHECK_FALSE(http::may_begin_request_line("\x16\x03\x01"));
  CHECK_FALSE(http::may_begin_request_line(" GET"));
  CHECK_FALSE(http::may_begin_request_line("GET /\x01"));
  CHECK_FALSE(http::may_begin_request_line("GET / HTTP/1.1\rX"));
}

}  // namespace http_syntax_test
