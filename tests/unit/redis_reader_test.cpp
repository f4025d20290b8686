#include "coffer/redis/reader.hpp"

#include "coffer/redis/encode.hpp"
#include "coffer/redis/login.hpp"
#include "support/catch.hpp"

namespace redis_reader_test {

using namespace coffer;
using redis::read_result;

namespace {

redis::reply one(std::string_view bytes) {
  redis::reader r;
  redis::reply answer;
  r.feed(bytes);
  INFO(bytes);
  REQUIRE(r.next(answer) == read_result::reply);
  return answer;
}

redis::reply reply_of(redis::reply::kind kind, std::string text) {
  redis::reply r;
  r.is = kind;
  r.text = std::move(text);
  return r;
}

}  // namespace

TEST_CASE("each type of RESP2 is read") {
  CHECK(one("+OK\r\n").is_ok());
  CHECK(one(":-12\r\n").integer == -12);
  CHECK(one("$-1\r\n").is_null());
  CHECK(one("*-1\r\n").is_null());
  CHECK(one({"$3\r\na\0b\r\n", 9}).text.size() == 3);
  CHECK(one("-READONLY You can't write\r\n").error_code() == "READONLY");
  CHECK(one("-ERR\r\n").error_code() == "ERR");
  CHECK(one("+OK\r\n").error_code().empty());
  const redis::reply nested = one("*3\r\n$1\r\na\r\n*1\r\n:7\r\n$-1\r\n");
  REQUIRE(nested.elements.size() == 3);
  CHECK(nested.elements[0].text == "a");
  CHECK(nested.elements[1].elements.at(0).integer == 7);
  CHECK(nested.elements[2].is_null());
}

TEST_CASE("replies are read whatever the pieces they come in") {
  const std::string_view bytes = "$5\r\nhello\r\n*2\r\n:1\r\n+x\r\n-E f\r\n";
  redis::reader r;
  std::vector<redis::reply> seen;
  for (const char c : bytes) {
    r.feed({&c, 1});
    redis::reply answer;
    while (r.next(answer) == read_result::reply) {
      seen.push_back(answer);
    }
  }
  REQUIRE(seen.size() == 3);
  CHECK(seen[0].text == "hello");
  CHECK(seen[1].elements.size() == 2);
  CHECK(seen[2].is_error());
}

TEST_CASE("what is not RESP2 breaks the reader for good") {
  for (const char* bytes : {"HTTP/1.1 400 Bad Request\r\n\r\n", "\r\n", ":x\r\n", "$x\r\n"}) {
    redis::reader r;
    redis::reply answer;
    r.feed(bytes);
    INFO(bytes);
    CHECK(r.next(answer) == read_result::broken);
    r.feed("+OK\r\n");
    CHECK(r.next(answer) == read_result::broken);
  }
}

TEST_CASE("a command is encoded as an array of its arguments, binary ones too") {
  const std::string_view arguments[] = {"SET", std::string_view{"a\0\r\n", 4}, ""};
  std::string out = "x";
  redis::append_command(out, arguments);
  CHECK(out == std::string{"x*3\r\n$3\r\nSET\r\n$4\r\na\0\r\n\r\n$0\r\n\r\n", 30});
}

TEST_CASE("a login authenticates and selects only where the address says so") {
  redis::server_url where;
  CHECK(redis::login{where}.request() == "*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n");
  where.password = "pw";
  where.database = 2;
  CHECK(redis::login{where}.request().starts_with("*2\r\n$4\r\nAUTH\r\n$2\r\npw\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n"));
  where.user = "me";
  CHECK(redis::login{where}.request().starts_with("*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$2\r\npw\r\n"));
}

TEST_CASE("a login knows the server's run, and a refusal from an obstacle") {
  using kind = redis::reply::kind;
  redis::server_url where;
  where.password = "pw";
  redis::login l{where};
  CHECK(!l.take(reply_of(kind::status, "OK")));
  CHECK(!l.complete());
  CHECK(!l.take(reply_of(kind::string, "# Server\r\nredis_version:7\r\nrun_id:abc123\r\nx:y\r\n")));
  CHECK(l.complete());
  CHECK(l.server_run() == "abc123");

  redis::login wrong_password{where};
  CHECK(wrong_password.take(reply_of(kind::error, "WRONGPASS no")) ==
        "the user or the password is wrong (WRONGPASS no)");
  redis::login none_wanted{where};
  CHECK(none_wanted.take(reply_of(kind::error, "ERR AUTH <password> called without any password configured"))
            .value_or("")
            .starts_with("it has no password, and the URL gives one"));

  for (const auto& [mode, why] :
       {std::pair{"cluster", "it is a node of a Redis Cluster"}, std::pair{"sentinel", "it is a Sentinel"}}) {
    redis::login odd{redis::server_url{}};
    const auto refused = odd.take(reply_of(kind::string, "run_id:a\r\nredis_mode:" + std::string{mode} + "\r\n"));
    CHECK(refused.value_or("").starts_with(why));
  }
  redis::login single{redis::server_url{}};
  CHECK(!single.take(reply_of(kind::string, "run_id:a\r\nredis_mode:standalone\r\n")));

  redis::login forbidden{redis::server_url{}};
  CHECK(!forbidden.take(reply_of(kind::error, "NOPERM no")));
  CHECK(forbidden.complete());
  CHECK(forbidden.server_run().empty());

  redis::login password_missing{redis::server_url{}};
  CHECK(password_missing.take(reply_of(kind::error, "NOAUTH Authentication required.")));
}

}  // namespace redis_reader_test
