#include "coffer/api/etag.hpp"

#include "support/catch.hpp"

namespace api_etag_test {

using coffer::api::match_hits;
using coffer::api::none_match_hits;

TEST_CASE("an entity tag is the version in quotes") {
  CHECK(coffer::api::make_etag(coffer::version{0}) == "\"0\"");
  CHECK(coffer::api::make_etag(coffer::version{12}) == "\"12\"");
}

TEST_CASE("If-None-Match hits under weak comparison, anywhere in its list") {
  for (const char* value : {"*", R"("7")", R"(W/"7")", R"("1", "7")", R"("1","7","9")", R"("7" , "x")", R"(, ,"7",)",
                            R"("a,b", W/"7")", "\"1\"\t,\t\"7\"", R"("","!","7")"}) {
    CAPTURE(value);
    CHECK(none_match_hits(value, "\"7\""));
  }
}

TEST_CASE("If-None-Match misses another tag") {
  for (const char* value : {"", R"("8")", R"("77")", R"("")", R"(W/"70")", R"("1", "2")", " ", ",", R"("W/7")"}) {
    CAPTURE(value);
    CHECK(!none_match_hits(value, "\"7\""));
  }
}

TEST_CASE("a malformed If-None-Match matches nothing") {
  for (const char* value : {"7", R"("7)", R"(7")", R"(w/"7")", R"(W/ "7")", R"(W "7")", R"("7" "8")", R"("7"x)",
                            R"(x, "7")", R"("7", x)", R"(*, "7")", R"("7", *)", R"("7";q=1)", "\"7\", \"a b\""}) {
    CAPTURE(value);
    CHECK(!none_match_hits(value, "\"7\""));
  }
}

TEST_CASE("If-Match hits under strong comparison, anywhere in its list") {
  for (const char* value : {"*", R"("7")", R"("1", "7")", R"(W/"7", "7")", R"(, "7",)"}) {
    CAPTURE(value);
    CHECK(match_hits(value, "\"7\""));
  }
  for (const char* value : {"", R"("8")", R"(W/"7")", R"("1", W/"7")", "7", R"("7" "8")", R"(*, "7")", R"("7", x)"}) {
    CAPTURE(value);
    CHECK(!match_hits(value, "\"7\""));
  }
}

}  // namespace api_etag_test
