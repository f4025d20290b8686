#include "coffer/http/request_id.hpp"

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "coffer/http/syntax.hpp"
#include "support/catch.hpp"

namespace http_request_id_test {

using namespace coffer;

namespace {

std::vector<std::string> draw(int count) {
  std::vector<std::string> ids(static_cast<std::size_t>(count));
  for (std::string& id : ids) {
    http::append_request_id(id);
  }
  return ids;
}

}  // namespace

TEST_CASE("request ids have 22 characters, are acceptable as a client's, and differ within and across threads") {
  std::vector<std::string> here;
  std::vector<std::string> there;
  {
    std::jthread a{[&] { here = draw(2000); }};
    std::jthread b{[&] { there = draw(2000); }};
  }
  std::set<std::string> all{here.begin(), here.end()};
  all.insert(there.begin(), there.end());
  CHECK(all.size() == 4000);
  CHECK(here.front().substr(0, 11) != there.front().substr(0, 11));
  for (const std::string& id : all) {
    CHECK(id.size() == 22);
    REQUIRE(http::acceptable_request_id(id));
  }
}

TEST_CASE("no request id begins like a command's option or a spreadsheet's formula") {
  for (int i = 0; i < 2000; ++i) {
    const http::detail::generator drawn;
    REQUIRE(drawn.prefix.front() != '-');
  }
}

}  // namespace http_request_id_test
