#include "coffer/pg/conninfo.hpp"

#include <algorithm>
#include <utility>
#include "coffer/pg/error.hpp"
#include "coffer/pg/sqlstate.hpp"
#include "support/catch.hpp"

namespace pg_sqlstate_test {

using namespace coffer;
using pg::sqlstate;

TEST_CASE("an SQLSTATE keeps its five characters, known or not") {
  for (const char* text : {"23505", "40P01", "57P03", "00000", "ZZZZZ", "XX000"}) {
    CHECK(pg::to_string(pg::sqlstate_from(text)) == text);
  }
  CHECK(pg::sqlstate_from("23505") == sqlstate::unique_violation);
  for (const char* text : {"", "2350", "235050", "2350x", "23 05"}) {
    CHECK(pg::sqlstate_from(text) == sqlstate::none);
  }
}

TEST_CASE("conflicts, timeouts and unavailable servers are told apart") {
  CHECK(pg::is_conflict(sqlstate::deadlock_detected));
  CHECK(pg::is_conflict(sqlstate::serialization_failure));
  CHECK_FALSE(pg::is_conflict(sqlstate::unique_violation));
  CHECK(pg::is_timeout(sqlstate::query_canceled));
  CHECK(pg::is_timeout(sqlstate::lock_not_available));
  for (const char* text : {"53300", "53100", "57P01", "57P02", "57P03", "08006", "08001", "25006"}) {
    CAPTURE(text);
    CHECK(pg::is_server_unavailable(pg::sqlstate_from(text)));
  }
  for (const char* text : {"57014", "40001", "23505", "28P01", "00000"}) {
    CAPTURE(text);
    CHECK_FALSE(pg::is_server_unavailable(pg::sqlstate_from(text)));
  }
}

TEST_CASE("what the server refuses for what it holds is told from trouble that passes") {
  const auto refused = [](const char* text, pg::delivery delivered = pg::delivery::answered) {
    pg::error::details known;
    known.state = pg::sqlstate_from(text);
    known.delivered = delivered;
    return pg::error{pg::failure::statement, "m", std::move(known)}.refused();
  };
  for (const char* text : {"42P01", "23505", "42501", "22021", "XX000"}) {
    CAPTURE(text);
    CHECK(refused(text));
    CHECK_FALSE(refused(text, pg::delivery::unknown));
    CHECK_FALSE(refused(text, pg::delivery::not_sent));
  }
  for (const char* text : {"57P01", "53300", "57014", "55P03", "40P01", "08006"}) {
    CAPTURE(text);
    CHECK_FALSE(refused(text));
  }
  for (const char* text : {"42P01", "42703", "42883"}) {
    CHECK(pg::is_schema_misfit(pg::sqlstate_from(text)));
  }
  CHECK_FALSE(pg::is_schema_misfit(sqlstate::syntax_error));
}

TEST_CASE("the SQLSTATE of a failed connect is found in libpq's message") {
  const char* one =
      "connection to server on socket \"/tmp/.s.PGSQL.5432\" failed: FATAL:  53300: too many connections for role "
      "\"a\"\nLOCATION:  InitializeSessionUserId, miscinit.c:777\n";
  CHECK(pg::state_of_connect_message(one) == sqlstate::too_many_connections);
  CHECK(pg::summary_of_connect_message(one) ==
        "connection to server on socket \"/tmp/.s.PGSQL.5432\" failed: FATAL:  53300: too many connections for role "
        "\"a\"");
  const char* several =
      "connection to server at \"10.0.0.1\", port 5432 failed: FATAL:  57P03: the database system is starting up\n"
      "LOCATION:  ProcessStartupPacket, postmaster.c:2400\n"
      "connection to server at \"10.0.0.2\", port 5432 failed: Connection refused\n"
      "\tIs the server running on that host and accepting TCP/IP connections?\n";
  CHECK(pg::state_of_connect_message(several) == sqlstate::cannot_connect_now);
  CHECK(pg::summary_of_connect_message(several).find("refused") != std::string::npos);
  CHECK(pg::summary_of_connect_message(several).find("Is the server") == std::string::npos);
  CHECK(pg::state_of_connect_message("connection refused\n") == sqlstate::none);
  CHECK(pg::state_of_connect_message("") == sqlstate::none);
}

TEST_CASE("a session is set to what the options say, but for what the URL says itself") {
  pg::options how;
  how.settings = {{"jit", "off"}, {"search_path", "a b, c\\d"}};
  const auto value_of = [](const auto& all, const std::string& name) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.first == name; });
    return found == all.end() ? std::string{"none"} : found->second;
  };
  const auto all = pg::session_settings(how, "-c work_mem=5MB -c jit=on --lock_timeout=7");
  CHECK(value_of(all, "search_path") == "a b, c\\d");
  CHECK(value_of(all, "statement_timeout") == "2000");
  CHECK(value_of(all, "jit") == "none");
  CHECK(value_of(all, "lock_timeout") == "none");
  CHECK(value_of(all, "tcp_keepalives_idle") == "10");
  how.prepared = false;
  CHECK(value_of(pg::session_settings(how, ""), "statement_timeout") == "2000");
  CHECK(value_of(pg::session_settings(how, ""), "tcp_keepalives_idle") == "none");
}

TEST_CASE("what is wrong with a connection URL is named, and its password never shown") {
  const std::pair<const char*, const char*> wrong[] = {
      {"postgresql://me:s3cr3t@h/d?pgbouncer=true",
       "\"pgbouncer\" is not one of libpq's (leave it out, and use --prepared"},
      {"postgresql://me:s3cr3t@h/d?sslmode=require&schema=public", "\"schema\" is not one of libpq's (leave it out"},
      {"postgresql://me:s3cr3t?x@h/d?connection_limit=5", "\"connection_limit\""},
      {"postgresql://me:s3cr3t@h/d?nonsense=1", "\"nonsense\" is not one of libpq's"},
      {"postgresql://me:s3cr3t@h/d?sslmode", "\"sslmode\" has no value"},
      {"\"postgresql://me:s3cr3t@h/d\"", "begins with a quotation mark"},
      {"'postgresql://me:s3cr3t@h/d'", "begins with a quotation mark"},
      {"postgresql://me:s3cr3t@h/d\"", "ends with a quotation mark"},
      {"postgresql://me:s3cr3t@h/d\n", "blank or a line break"},
      {" postgresql://me:s3cr3t@h/d", "blank or a line break"},
      {"mysql://me:s3cr3t@h/d", "its scheme is \"mysql\""},
      {"postgresql://me:s3cr3t%zz@h/d", "'%'"},
      {"postgresql://me:s3cr3t@[::1/d", "IPv6"},
      {"postgresql://me:s3cr3t@h:port/d", "port"},
      {"postgresql://me:s3cr3t@h/d?sslmode=always", "sslmode"},
      {"postgresql://me:s3cr3t@h/d?target_session_attrs=readwrite", "target_session_attrs"},
      {"postgresql://me:s3cr3t@a,b:1,c:2,d/d?port=5,6", "port"},
      {"host=h password=s3cr3t user", "no '='"},
      {"host=h password='s3cr3t", "quotation mark in it is not closed"},
      {"host=h password=s3cr3t pgbouncer=true", "\"pgbouncer\" is not one of libpq's"},
      {"host=h password=s3cr3t port=70000", "port"},
      {"h:5432/d", "it is neither"},
  };
  for (const auto& [url, part] : wrong) {
    CAPTURE(url);
    const std::string problem = pg::problem_of_url(url);
    CAPTURE(problem);
    CHECK(problem.find(part) != std::string::npos);
    CHECK(problem.find("s3cr3t") == std::string::npos);
    CHECK(problem.find('\n') == std::string::npos);
  }
  for (const char* right : {"postgresql:///coffer", "postgres://me:p%25w?d@h:5433/d?sslmode=disable&connect_timeout=3",
                            "postgresql://me@h1:1,h2:2/d?target_session_attrs=read-write",
                            "postgresql://coffer@/coffer?host=%2Ftmp&port=5432",
                            "host='/tmp/a b' port=5432 user='c' dbname='d'", "postgresql://h/d?options=-c%20role%3Dx",
                            "postgresql://coffer@/coffer?host=db1,db2&port=5432,5432&target_session_attrs=read-write",
                            "postgresql://me@h/d?application_name=x&keepalives=1", "postgresql://[::1]:5432/d"}) {
    CAPTURE(right);
    CHECK(pg::problem_of_url(right) == "");
  }
}

TEST_CASE("hosts rotate past the one that did not answer") {
  pg::conninfo info{pg::options{"postgresql://a:1,b:2,c/db"}};
  CHECK(info.host_count() == 3);
  const auto value_of = [&info](const std::string& keyword) {
    const auto arrays = info.to_arrays();
    std::string value;
    for (std::size_t i = 0; arrays.keywords[i] != nullptr; ++i) {
      value = arrays.keywords[i] == keyword ? arrays.values[i] : value;
    }
    return value;
  };
  CHECK(value_of("host") == "a,b,c");
  CHECK(info.rotate_past("a", "1"));
  CHECK(value_of("host") == "b,c,a");
  CHECK(value_of("port") == "2,,1");
  CHECK(info.rotate_past("c", "5432"));
  CHECK(value_of("host") == "a,b,c");
  CHECK_FALSE(info.rotate_past("d", "1"));
  const pg::conninfo one{pg::options{"postgresql://a/db"}};
  CHECK(one.host_count() == 1);
  CHECK(one.hosts().size() == 1);
}

TEST_CASE("a pg error says what failed, in words and in numbers") {
  pg::error::details known;
  known.state = sqlstate::deadlock_detected;
  known.delivered = pg::delivery::answered;
  const pg::error e{pg::failure::statement, "deadlock detected", known};
  CHECK(std::string{e.what()} == "postgresql statement [40P01]: deadlock detected");
  CHECK(e.message() == "deadlock detected");
  CHECK(std::string{pg::to_string(pg::delivery::unknown)} == "unknown");
}

}  // namespace pg_sqlstate_test
