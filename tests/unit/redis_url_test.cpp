#include "coffer/redis/url.hpp"

#include "support/catch.hpp"

namespace redis_url_test {

using namespace coffer;

namespace {

redis::server_url parsed(std::string_view url) {
  const auto address = redis::parse_url(url);
  INFO(url);
  if (!address) {
    FAIL(address.error());
  }
  return *address;
}

}  // namespace

TEST_CASE("a redis URL names host, port, user, password and database") {
  const redis::server_url full = parsed("redis://app:s%40cr%2Fet@cache.example:6380/3");
  CHECK(full.host == "cache.example");
  CHECK(full.port == 6380);
  CHECK(full.user == "app");
  CHECK(full.password == "s@cr/et");
  CHECK(full.database == 3);
  CHECK(full.path.empty());

  const redis::server_url plain = parsed("redis://127.0.0.1");
  CHECK(plain.host == "127.0.0.1");
  CHECK(plain.port == 6379);
  CHECK(plain.user.empty());
  CHECK(plain.password.empty());
  CHECK(plain.database == 0);

  CHECK(parsed("redis://:secret@h/1").password == "secret");
  CHECK(parsed("redis://:secret@h/1").user.empty());
  CHECK(parsed("redis://secret@h").password == "secret");
  CHECK(parsed("redis://u:a:b@c@h").password == "a:b@c");
  CHECK(parsed("redis://[::1]:7000/").host == "::1");
  CHECK(parsed("redis://[::1]").port == 6379);
}

TEST_CASE("a rediss URL says whom to trust, what to show and which name to expect") {
  const redis::server_url plain = parsed("rediss://app:pw@cache.example/2");
  REQUIRE(plain.tls);
  CHECK(plain.tls->name == "cache.example");
  CHECK(plain.tls->authorities.empty());
  CHECK(plain.tls->certificate.empty());
  CHECK(plain.database == 2);
  const redis::server_url full =
      parsed("rediss://[::1]:6380?cacert=/etc/ca%20one.pem&cert=/c&key=/k&sni=cache.example");
  REQUIRE(full.tls);
  CHECK(full.host == "::1");
  CHECK(full.tls->name == "cache.example");
  CHECK(full.tls->authorities == "/etc/ca one.pem");
  CHECK(full.tls->certificate == "/c");
  CHECK(full.tls->key == "/k");
  CHECK(full.to_string() == "rediss://[::1]:6380/0");
  CHECK(!parsed("redis://h").tls);
}

TEST_CASE("a unix URL names a socket") {
  CHECK(parsed("unix:///run/redis%20one/s.sock").path == "/run/redis one/s.sock");
  const redis::server_url full = parsed("unix://u:p@/s?db=2");
  CHECK(full.path == "/s");
  CHECK(full.user == "u");
  CHECK(full.password == "p");
  CHECK(full.database == 2);
}

TEST_CASE("a malformed redis URL is refused with a sentence that does not repeat the password") {
  for (const char* url : {"",
                          "localhost:6379",
                          "http://h",
                          "rediss://h?x=1",
                          "rediss://h?cacert=",
                          "rediss://h?cacert=/a&cacert=/b",
                          "rediss://h?cert=/a",
                          "rediss://h?key=/a",
                          "rediss://h?sni=%4",
                          "rediss://h#x",
                          "rediss://",
                          "redis://h?cacert=/a",
                          "redis://",
                          "redis://:6379",
                          "redis://u:hunter2@",
                          "redis://h:0",
                          "redis://h:65536",
                          "redis://h:x",
                          "redis://h:",
                          "redis://h/x",
                          "redis://h/-1",
                          "redis://h/1/2",
                          "redis://h?db=1",
                          "redis://[::1",
                          "redis://[::1]x",
                          "redis://hunter2%4@h",
                          "redis://u:@h",
                          "redis://h%",
                          "redis://h%00",
                          "unix://",
                          "unix://relative",
                          "unix:///s?x=1",
                          "unix:///s?db=x",
                          "unix://hunter2@s"}) {
    const auto address = redis::parse_url(url);
    INFO(url);
    REQUIRE(!address);
    CHECK(address.error().starts_with("the Redis URL is malformed: "));
    CHECK(address.error().find("hunter2") == std::string::npos);
  }
  CHECK(!redis::parse_url("unix:///" + std::string(107, 'a')));
  CHECK(redis::parse_url("unix:///" + std::string(106, 'a')));
}

TEST_CASE("an address is shown without user and password") {
  CHECK(parsed("redis://u:hunter2@h:1/2").to_string() == "redis://h:1/2");
  CHECK(parsed("redis://[::1]:1").to_string() == "redis://[::1]:1/0");
  CHECK(parsed("unix://hunter2@/s?db=3").to_string() == "unix:///s?db=3");
}

}  // namespace redis_url_test
