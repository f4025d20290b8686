#include "coffer/api/browsers.hpp"

#include "support/catch.hpp"

namespace api_browsers_test {

using namespace coffer;

namespace {

using texts = std::vector<std::pair<std::string, std::string>>;

http::request asked(http::method verb, const texts& headers) {
  http::request r;
  r.verb = verb;
  r.set_target("/products");
  for (const auto& [name, value] : headers) {
    r.add_header(name, value);
  }
  return r;
}

/// The headers that a request with this Origin gets, one a line.
std::string described(const api::cors& by, const texts& headers) {
  http::response answer;
  by.describe(asked(http::method::get, headers), answer);
  std::string all;
  for (const auto& [name, value] : answer.headers) {
    if (name != "Access-Control-Expose-Headers") {
      all += std::string{name} + ": " + value + "\n";
    }
  }
  return all;
}

std::string complaint(std::string_view origins) {
  const auto read = api::cors::parse(origins);
  return read ? "" : read.error();
}

bool admits(const api::host_guard& guard, const std::string& host) {
  return guard.admits(asked(http::method::get, {{"Host", host}}));
}

}  // namespace

TEST_CASE("only named origins are told that they may read, and caches are told that it depends on the origin") {
  const auto by = api::cors::parse("https://Shop.example, http://localhost:5173,capacitor://localhost").value();
  CHECK(described(by, {{"Origin", "https://shop.example"}}) ==
        "Vary: Origin\nAccess-Control-Allow-Origin: https://shop.example\n");
  CHECK(described(by, {{"Origin", "http://localhost:5173"}}) ==
        "Vary: Origin\nAccess-Control-Allow-Origin: http://localhost:5173\n");
  for (const char* other : {"https://shop.example.evil", "http://shop.example", "https://shop.example:8443", "null",
                            "*", "https://evil.shop.example", "http://localhost"}) {
    CAPTURE(other);
    CHECK(described(by, {{"Origin", other}}) == "Vary: Origin\n");
  }
  CHECK(described(by, {}) == "Vary: Origin\n");
  CHECK(described(by, {{"Origin", "https://shop.example"}, {"Origin", "https://shop.example"}}) == "Vary: Origin\n");
  CHECK(described(api::cors::parse("*").value(), {{"Origin", "https://any.example"}}) ==
        "Access-Control-Allow-Origin: *\n");
  CHECK(described(api::cors{}, {{"Origin", "https://shop.example"}}).empty());
}

TEST_CASE("what no browser sends as an origin is refused with the reason") {
  CHECK(complaint("https://a.example,http://[::1]:8080").empty());
  const std::vector<std::pair<const char*, const char*>> wrong = {
      {"", "has no scheme"},
      {"shop.example", "has no scheme"},
      {"https://a.example,", "'' has no scheme"},
      {"https://a.example/", "without a slash"},
      {"https://a.example/path", "without a slash"},
      {"https://a.example:443", "the scheme's own port"},
      {"http://a.example:80", "the scheme's own port"},
      {"https://a.example:x", "malformed port"},
      {"https://a.example:", "malformed port"},
      {"https://*.example", "or a pattern"},
      {"https://", "malformed host"},
      {"https://user@a.example", "malformed host"},
      {"://a.example", "malformed scheme"},
      {"*,https://a.example", "must stand alone"},
      {"null", "has no scheme"},
  };
  for (const auto& [text, why] : wrong) {
    CAPTURE(text, complaint(text));
    CHECK(complaint(text).find(why) != std::string::npos);
  }
  std::string many = "https://a0.example";
  for (std::size_t i = 1; i < api::cors::max_origins; ++i) {
    many += ",https://a" + std::to_string(i) + ".example";
  }
  CHECK(complaint(many).empty());
  CHECK(complaint(many + ",https://b.example") == "there are more than 64 origins");
}

TEST_CASE("a preflight is told from an ordinary OPTIONS") {
  const auto by = api::cors::parse("*").value();
  const texts full = {{"Origin", "https://a.example"}, {"Access-Control-Request-Method", "POST"}};
  CHECK(by.is_preflight(asked(http::method::options, full)));
  CHECK(!by.is_preflight(asked(http::method::post, full)));
  CHECK(!by.is_preflight(asked(http::method::options, {full[0]})));
  CHECK(!by.is_preflight(asked(http::method::options, {full[1]})));
  CHECK(!api::cors{}.is_preflight(asked(http::method::options, full)));
}

TEST_CASE("a server without credentials answers to its own names alone") {
  const api::host_guard guard{"127.0.0.1", "Shop.internal,[2001:db8::1]"};
  for (const char* own : {"127.0.0.1", "127.0.0.1:8080", "127.9.9.9:1", "localhost", "LOCALHOST:8080", "a.localhost",
                          "[::1]", "[::1]:8080", "shop.internal", "SHOP.internal:8080", "[2001:db8::1]:80"}) {
    CAPTURE(own);
    CHECK(admits(guard, own));
  }
  for (const char* foreign :
       {"evil.example", "evil.example:8080", "localhost.evil.example", "notlocalhost", "192.0.2.1",
        "127.0.0.1.evil.example", "[2001:db8::2]", "internal", "", "[::1", "127.1"}) {
    CAPTURE(foreign);
    CHECK(!admits(guard, foreign));
  }
  CHECK(guard.admits(asked(http::method::get, {})));
  const api::host_guard beyond{"192.0.2.7", ""};
  CHECK(admits(beyond, "192.0.2.7:8080"));
  CHECK(!admits(beyond, "192.0.2.8"));
  const api::host_guard everywhere{"0.0.0.0", ""};
  CHECK(admits(everywhere, "192.0.2.8:80"));
  CHECK(admits(everywhere, "[2001:db8::2]"));
  CHECK(!admits(everywhere, "evil.example"));
  CHECK(admits(api::host_guard{}, "evil.example"));
}

TEST_CASE("a list of names is checked") {
  for (const char* right : {"coffer", "coffer,shop.internal", "192.0.2.1, [::1]"}) {
    CAPTURE(right);
    CHECK(api::host_guard::accepts(right));
  }
  for (const char* wrong : {"", "a,,b", "a:80", "http://a", "*", "a b", "[::1", "::1"}) {
    CAPTURE(wrong);
    CHECK(!api::host_guard::accepts(wrong));
  }
}

}  // namespace api_browsers_test
