// The description of the API as a client gets it.
#include "support/catch.hpp"
#include "support/server_process.hpp"
#include "support/shop.hpp"

using namespace coffer;
using coffer::test::json_value;

TEST_CASE("the description shows this server's limits, has an entity tag and is not sent twice") {
  test::shop s{{{"COFFER_MAX_DEPOSIT", "4321"}}};
  const auto first = s.client.get("/openapi.json");
  REQUIRE(first.status == 200);
  CHECK(first.header("Content-Type") == "application/json");
  CHECK(first.header("Content-Length") == std::to_string(first.body.size()));
  const auto document = first.json();
  CHECK(document["openapi"] == "3.1.0");
  CHECK(document["components"]["schemas"]["AddFunds"]["properties"]["amount"]["maximum"] == 4321);
  const auto etag = first.header("ETag").value_or("");
  REQUIRE(etag.size() > 2);
  const auto second = s.client.get("/v1/openapi.json", {{"If-None-Match", etag}});
  CHECK(second.status == 304);
  CHECK(second.body.empty());
  CHECK(second.header("ETag") == etag);
  CHECK(s.client.get("/openapi.json", {{"If-None-Match", "\"other\""}}).body == first.body);
  CHECK(s.client.request("HEAD", "/openapi.json").header("Content-Length") == first.header("Content-Length"));
  for (const json_value& operation : {document["paths"]["/users"]["post"], document["paths"]["/batch"]["post"]}) {
    CHECK(operation["security"].size() == 0);  // the tests' servers ask for no credentials
  }
}

TEST_CASE("documents are compressed for those who ask, and each form has its tag") {
  test::shop s;
  for (const char* path : {"/openapi.json", "/docs", "/docs/docs.css", "/docs/docs.js", "/problems"}) {
    CAPTURE(path);
    const auto plain = s.client.get(path);
    const auto zipped = s.client.get(path, {{"Accept-Encoding", "gzip, deflate, br"}});
    CHECK(plain.status == 200);
    CHECK_FALSE(plain.header("Content-Encoding").has_value());
    CHECK(zipped.header("Content-Encoding") == "gzip");
    CHECK(zipped.body.starts_with("\x1f\x8b"));
    CHECK(zipped.body.size() < plain.body.size() * 3 / 4);
    CHECK(zipped.header("Vary") == plain.header("Vary"));
    CHECK(plain.header("Vary").value_or("").find("Accept-Encoding") != std::string::npos);
    const std::string tag = zipped.header("ETag").value_or("");
    CHECK(tag != plain.header("ETag"));
    const auto same =
        s.client.get(path, {{"Accept-Encoding", "gzip"}, {"If-None-Match", "\"a\""}, {"If-None-Match", tag}});
    CHECK(same.status == 304);
    CHECK(same.header("ETag") == tag);
    CHECK(s.client.get(path, {{"If-Match", "\"a\""}}).status == 412);
    const auto head = s.client.request("HEAD", path, {{"Accept-Encoding", "gzip"}});
    CHECK(head.header("Content-Length") == std::to_string(zipped.body.size()));
  }
}
