#include <string>

#include "coffer/http/parser.hpp"
#include "support/catch.hpp"

namespace http_parser_stream_test {

using namespace coffer::http;
using status = parser::status;

namespace {

constexpr std::string_view chunked_head = "POST /up HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

}  // namespace

TEST_CASE("parser: a streamed body waits behind its head and comes in the pieces it is fed in") {
  const limits most;
  parser p{most, parser::bodies::in_pieces};
  request r;
  const std::string all = std::string{chunked_head} + "3\r\nabc\r\n";
  const auto head = p.feed(all, r);
  REQUIRE(head.result == status::body);
  CHECK(head.consumed == chunked_head.size());
  CHECK(r.body.empty());
  CHECK(p.where() == parser::phase::body);
  const auto piece = p.feed(std::string_view{all}.substr(head.consumed), r);
  CHECK(piece.result == status::need_more);
  CHECK(r.body == "abc");
  r.body.clear();
  const auto last = p.feed("1\r\nd\r\n0\r\n\r\nGET", r);
  CHECK(last.result == status::complete);
  CHECK(last.consumed == 11);
  CHECK(r.body == "d");
}

TEST_CASE("parser: requests without a body are complete behind their heads") {
  const limits most;
  parser p{most, parser::bodies::in_pieces};
  request r;
  CHECK(p.feed("POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", r).result == status::complete);
  p.next();
  r.clear();
  CHECK(p.feed("POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx", r).result == status::body);
}

TEST_CASE("parser: the limit of a streamed body is its own and counts all pieces") {
  limits most;
  most.body = 4;
  most.streamed_body = 10;
  parser p{most, parser::bodies::in_pieces};
  request r;
  CHECK(p.feed("POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n", r).result == status::rejected);
  CHECK(p.refusal().status == 413);
  p.next();
  r.clear();
  REQUIRE(p.feed(chunked_head, r).result == status::body);
  REQUIRE(p.feed("6\r\nabcdef\r\n", r).result == status::need_more);
  r.body.clear();
  REQUIRE(p.feed("4\r\nabcd\r\n", r).result == status::need_more);
  r.body.clear();
  CHECK(p.feed("1\r\n", r).result == status::rejected);
  CHECK(p.refusal().status == 413);
}

TEST_CASE("parser: what came before a bad chunk is kept") {
  const limits most;
  parser p{most, parser::bodies::in_pieces};
  request r;
  REQUIRE(p.feed(chunked_head, r).result == status::body);
  CHECK(p.feed("2\r\nab\r\nzz\r\n", r).result == status::rejected);
  CHECK(r.body == "ab");
  CHECK(p.refusal().status == 400);
}

TEST_CASE("parser: padded chunk sizes are paid for by what the chunks bring") {
  const limits most;
  parser p{most, parser::bodies::in_pieces};
  request r;
  REQUIRE(p.feed(chunked_head, r).result == status::body);
  for (int i = 0; i < 10'000; ++i) {
    REQUIRE(p.feed("0000000a\r\n0123456789\r\n", r).result == status::need_more);
    r.body.clear();
  }
  CHECK(p.feed("0\r\n\r\n", r).result == status::complete);
}

TEST_CASE("parser: a chunk pays for its padding with what came before it, however the bytes are cut") {
  limits most;
  most.header_block = 256;
  // The second line is longer than what the first chunk brought allows; what the second would bring is no help.
  const std::string bytes =
      "a\r\n0123456789\r\n200;" + std::string(300, 'e') + "\r\n" + std::string(0x200, 'x') + "\r\n0\r\n\r\n";
  for (const std::size_t step : {std::size_t{1}, std::size_t{100}, bytes.size()}) {
    CAPTURE(step);
    parser p{most, parser::bodies::in_pieces};
    request r;
    REQUIRE(p.feed(chunked_head, r).result == status::body);
    status last = status::need_more;
    for (std::size_t at = 0; at < bytes.size() && last == status::need_more; at += step) {
      last = p.feed(std::string_view{bytes}.substr(at, step), r).result;
    }
    REQUIRE(last == status::rejected);
    CHECK(p.refusal().status == 431);
  }
}

}  // namespace http_parser_stream_test
