// Constant documents: one body for all who read it, in the form that each asks for.
#include "coffer/api/openapi/document.hpp"

#include "coffer/http/request.hpp"
#include "support/catch.hpp"

namespace api_document_test {

using namespace coffer;

namespace {

const api::document& long_text() {
  static const api::document made = api::make_document(std::string(10'000, 'a'));
  return made;
}

http::response ask(const api::document& what, const std::vector<std::pair<std::string, std::string>>& headers = {}) {
  http::request r;
  r.request_id = "r";
  for (const auto& [name, value] : headers) {
    r.add_header(name, value);
  }
  return api::serve(what, http::text_type, r);
}

std::string header(const http::response& answer, std::string_view name) {
  for (const auto& [n, value] : answer.headers) {
    if (n == name) {
      return value;
    }
  }
  return "";
}

}  // namespace

TEST_CASE("a document is sent from one place, however many read it") {
  const auto first = ask(long_text());
  const auto second = ask(long_text());
  CHECK(first.status == 200);
  CHECK(first.body.empty());
  CHECK(first.shared->size() == 10'000);
  CHECK(first.shared.get() == second.shared.get());
  const auto zipped = ask(long_text(), {{"Accept-Encoding", "gzip"}});
  CHECK(zipped.shared.get() == ask(long_text(), {{"Accept-Encoding", "gzip"}}).shared.get());
  CHECK(zipped.shared->size() < 1000);
}

TEST_CASE("each form of a document has its tag, and caches are told what the choice depends on") {
  const auto plain = ask(long_text());
  const auto zipped = ask(long_text(), {{"accept-encoding", "br;q=1.0, gzip;q=0.8"}});
  CHECK(header(plain, "Content-Encoding").empty());
  CHECK(header(zipped, "Content-Encoding") == "gzip");
  CHECK(header(plain, "Vary") == "Accept-Encoding");
  CHECK(header(zipped, "Vary") == "Accept-Encoding");
  CHECK(header(plain, "ETag") != header(zipped, "ETag"));
  const auto same = ask(long_text(), {{"Accept-Encoding", "gzip"}, {"If-None-Match", header(zipped, "ETag")}});
  CHECK(same.status == 304);
  CHECK_FALSE(same.shared);
  CHECK(header(same, "Vary") == "Accept-Encoding");
  CHECK(ask(long_text(), {{"If-None-Match", header(zipped, "ETag")}}).status == 200);
  CHECK(ask(long_text(), {{"If-Match", header(plain, "ETag")}}).status == 200);
  CHECK(ask(long_text(), {{"If-Match", "\"other\""}}).status == 412);
}

TEST_CASE("what compresses badly is not compressed") {
  const auto answer = ask(api::make_document("short"), {{"Accept-Encoding", "gzip"}});
  CHECK(header(answer, "Content-Encoding").empty());
  CHECK(header(answer, "Vary").empty());
  CHECK(*answer.shared == "short");
}

TEST_CASE("several lines of a condition are one list, and If-Match comes first") {
  const std::string tag = header(ask(long_text()), "ETag");
  CHECK(ask(long_text(), {{"If-None-Match", "\"a\""}, {"If-None-Match", tag}}).status == 304);
  CHECK(ask(long_text(), {{"If-None-Match", "\"a\""}, {"If-None-Match", "\"b\""}}).status == 200);
  CHECK(ask(long_text(), {{"If-Match", "\"a\""}, {"If-Match", tag}}).status == 200);
  CHECK(ask(long_text(), {{"If-Match", "\"a\""}, {"If-None-Match", tag}}).status == 412);
  CHECK(ask(long_text(), {{"If-Match", "*"}, {"If-None-Match", tag}}).status == 304);
  CHECK(ask(long_text(), {{"Accept-Encoding", "br"}, {"Accept-Encoding", "gzip"}}).shared->size() < 1000);
}

}  // namespace api_document_test
