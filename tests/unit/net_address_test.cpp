#include "coffer/net/address.hpp"

#include "support/catch.hpp"

namespace net_address_test {

using coffer::net::address;
using coffer::net::address_set;
using coffer::net::client_of;

namespace {

bool within(const char* networks, const char* text) {
  const auto set = address_set::parse(networks);
  REQUIRE(set);
  return set->contains(std::string_view{text});
}

}  // namespace

TEST_CASE("an address is read in each of its forms and written in one") {
  CHECK(address::parse("192.0.2.1")->text() == "192.0.2.1");
  CHECK(address::parse("::ffff:192.0.2.1")->text() == "192.0.2.1");
  CHECK(address::parse("::ffff:c000:201") == address::parse("192.0.2.1"));
  CHECK(address::parse("2001:DB8:0:0::1")->text() == "2001:db8::1");
  CHECK(address::parse("::192.0.2.1") != address::parse("192.0.2.1"));
  for (const char* text : {"", " ", "192.0.2", "192.0.2.256", "192.0.2.1:80", "[::1]", "::1%lo", "localhost", "1",
                           " 192.0.2.1", "192.0.2.1/32", "1111:2222:3333:4444:5555:6666:7777:8888:9999"}) {
    CAPTURE(text);
    CHECK_FALSE(address::parse(text));
  }
  CHECK_FALSE(address::parse(std::string_view{"::1\0", 4}));
}

TEST_CASE("a subscriber has an IPv4 address or a /64 of IPv6") {
  const auto owner = [](const char* text) { return address::parse(text)->subscriber().text(); };
  CHECK(owner("192.0.2.1") == "192.0.2.1");
  CHECK(owner("::ffff:192.0.2.1") == "192.0.2.1");
  CHECK(owner("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::");
  CHECK(owner("2001:db8:1:2:ffff::1") == owner("2001:db8:1:2::1"));
  CHECK(owner("2001:db8:1:3::1") != owner("2001:db8:1:2::1"));
}

TEST_CASE("networks contain the addresses of their prefix and no others") {
  CHECK(within("10.0.0.0/8", "10.255.255.255"));
  CHECK_FALSE(within("10.0.0.0/8", "11.0.0.0"));
  CHECK(within("10.1.2.128/25", "10.1.2.128"));
  CHECK_FALSE(within("10.1.2.128/25", "10.1.2.127"));
  CHECK(within("10.0.0.0/8", "::ffff:10.1.2.3"));
  CHECK(within("::ffff:10.0.0.0/104", "10.1.2.3"));
  CHECK_FALSE(within("::ffff:10.0.0.0/104", "11.1.2.3"));
  CHECK(within("2001:db8::/33", "2001:db8:7fff::1"));
  CHECK_FALSE(within("2001:db8::/33", "2001:db8:8000::1"));
  CHECK(within("192.0.2.1", "192.0.2.1"));
  CHECK_FALSE(within("192.0.2.1", "192.0.2.2"));
  CHECK(within(" 192.0.2.1 , ::1", "::1"));
  CHECK(within("0.0.0.0/0", "203.0.113.9"));
  CHECK_FALSE(within("0.0.0.0/0", "2001:db8::1"));
  CHECK(within("::/0", "2001:db8::1"));
  CHECK_FALSE(within("::/0", "203.0.113.9"));
  CHECK_FALSE(within("", "192.0.2.1"));
  CHECK_FALSE(within("10.0.0.0/8", "elsewhere"));
}

TEST_CASE("what is no list of addresses and networks is refused whole") {
  for (const char* text : {",", "10.0.0.0/8,", ",::1", "10.0.0.0/33", "::/129", "10.0.0.1/8", "10.0.0.0/", "10.0.0.0/x",
                           "10.0.0.0/-1", "10.0.0.0/8/8", "proxy", "10.0.0.0 ::1"}) {
    CAPTURE(text);
    CHECK_FALSE(address_set::parse(text));
  }
}

TEST_CASE("the client is the last address that a trusted proxy vouches for") {
  const auto trusted = *address_set::parse("10.0.0.0/8, ::1");
  const std::string proxy = "10.0.0.1";
  CHECK(client_of(proxy, "203.0.113.9", trusted) == "203.0.113.9");
  CHECK(client_of(proxy, "198.51.100.7, 203.0.113.9", trusted) == "203.0.113.9");
  CHECK(client_of(proxy, "198.51.100.7,203.0.113.9 ,10.9.9.9", trusted) == "203.0.113.9");
  CHECK(client_of(proxy, "nonsense, 203.0.113.9", trusted) == "203.0.113.9");
  CHECK(client_of(proxy, "::ffff:203.0.113.9", trusted) == "203.0.113.9");
  CHECK(client_of("::1", "2001:DB8::2", trusted) == "2001:db8::2");
  CHECK(client_of(proxy, "10.0.0.7, 10.0.0.8", trusted) == "10.0.0.7");
  CHECK(client_of(proxy, "203.0.113.7:52344", trusted) == "203.0.113.7");
  CHECK(client_of(proxy, "203.0.113.7:52344, 10.0.0.8:80", trusted) == "203.0.113.7");
  CHECK(client_of(proxy, "[2001:db8::1]:443", trusted) == "2001:db8::1");
  CHECK(client_of(proxy, "[2001:DB8::1]", trusted) == "2001:db8::1");
  CHECK(client_of(proxy, "[::ffff:203.0.113.7]:1", trusted) == "203.0.113.7");
  CHECK(client_of(proxy, "2001:db8::1:443", trusted) == "2001:db8::1:443");
  for (const char* text : {"",
                           " ",
                           ",",
                           "203.0.113.9,",
                           "nonsense",
                           "203.0.113.9, nonsense",
                           "203.0.113.9, , 10.0.0.2",
                           "203.0.113.9, unknown, 10.0.0.2",
                           "203.0.113.9:",
                           "203.0.113.9:65536",
                           "203.0.113.9:x",
                           "203.0.113.9:1:2",
                           "[203.0.113.9]:1",
                           "[2001:db8::1",
                           "2001:db8::1]:1",
                           "[2001:db8::1]1",
                           "[2001:db8::1]:",
                           "[]:1",
                           ":80",
                           "[2001:db8::1]:+1"}) {
    CAPTURE(text);
    CHECK(client_of(proxy, text, trusted) == proxy);
  }
  std::optional<std::string_view> unreadable;
  CHECK(client_of(proxy, "203.0.113.9, unknown , 10.0.0.2:1", trusted, &unreadable) == proxy);
  CHECK(unreadable == "unknown");
  unreadable.reset();
  CHECK(client_of(proxy, "unknown, 203.0.113.9:1", trusted, &unreadable) == "203.0.113.9");
  CHECK(!unreadable);
  CHECK(client_of("192.0.2.1", "203.0.113.9", trusted) == "192.0.2.1");
  CHECK(client_of(proxy, "203.0.113.9", address_set{}) == proxy);
}

}  // namespace net_address_test
