#include "coffer/api/trace_context.hpp"

#include "support/catch.hpp"

namespace api_trace_context_test {

using namespace coffer;

TEST_CASE("a traceparent is read and continued under a new parent id") {
  const std::string header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const auto read = api::read_trace_context(header);
  REQUIRE(read.has_value());
  CHECK(read->trace_id == "0af7651916cd43dd8448eb211c80319c");
  CHECK(read->parent_id == "b7ad6b7169203331");
  CHECK(read->flags == "01");
  const std::string next = api::make_traceparent(*read);
  const auto again = api::read_trace_context(next);
  REQUIRE(again.has_value());
  CHECK(again->trace_id == read->trace_id);
  CHECK(again->parent_id != read->parent_id);
  CHECK(api::make_traceparent(*read) != next);
}

TEST_CASE("later versions are read as far as version 00 goes") {
  CHECK(api::read_trace_context("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-else").has_value());
  CHECK(api::read_trace_context("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").has_value());
}

TEST_CASE("anything else is ignored") {
  for (const char* wrong : {"", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
                            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
                            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 ",
                            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                            "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
                            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0101",
                            "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01"}) {
    CAPTURE(wrong);
    CHECK(!api::read_trace_context(wrong).has_value());
  }
}

}  // namespace api_trace_context_test
