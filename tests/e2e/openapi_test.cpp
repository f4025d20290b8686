// The description of the API as a client gets it.
#include "support/catch.hpp"
#include "support/server_process.hpp"
#include "support/shop.hpp"

using namespace coffer;

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
}
