#include "coffer/api/accept.hpp"

#include "support/catch.hpp"

namespace api_accept_test {

using coffer::api::accept_weight;

TEST_CASE("a media range has the weight that the client gives it") {
  CHECK(accept_weight("text/html", "text/html") == 1000);
  CHECK(accept_weight("application/json;q=0.5, Text/HTML ; q=0.125", "text/html") == 125);
  CHECK(accept_weight("text/html;q=1", "text/html") == 1000);
  CHECK(accept_weight("text/html;q=1.000", "text/html") == 1000);
  CHECK(accept_weight("text/html;level=1;q=0.1", "text/html") == 100);
  CHECK(accept_weight("text/html;q=0", "text/html") == 0);
  CHECK(accept_weight("text/plain", "text/html") == 0);
  CHECK(accept_weight("", "text/html") == 0);
}

TEST_CASE("what is no weight by RFC 9110 section 12.4.2 is none") {
  for (const char* q : {"1e300", "nan", "inf", "-1", "2", "1.001", "0.1234", "0.x", ".5", "", "0x1", "1..0", "01"}) {
    CAPTURE(q);
    CHECK(accept_weight(std::string{"text/html;q="} + q, "text/html") == 0);
  }
}

TEST_CASE("gzip is for those who ask for it, and no less than for the plain body") {
  using coffer::api::prefers_gzip;
  for (const char* value : {"gzip", "GZip", "x-gzip", "gzip;q=0.1", "gzip, deflate, br, zstd", "*", "br;q=1.0, *;q=0.5",
                            "identity, gzip", "identity;q=0.5, gzip", "deflate;q=0, gzip ; q=1"}) {
    CAPTURE(value);
    CHECK(prefers_gzip(value));
  }
  for (const char* value : {"", "identity", "br", "gzip;q=0", "gzip;q=0, *", "*;q=0", "identity;q=1, gzip;q=0.5",
                            "identity, *;q=0.5", "gzipx", "gzip;q=nan"}) {
    CAPTURE(value);
    CHECK_FALSE(prefers_gzip(value));
  }
}

}  // namespace api_accept_test
