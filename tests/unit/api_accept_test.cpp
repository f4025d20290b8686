#include "coffer/api/accept.hpp"

#include "support/catch.hpp"

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
