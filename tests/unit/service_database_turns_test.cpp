#include "coffer/service/database_turns.hpp"

#include "support/catch.hpp"

namespace service_database_turns_test {

using coffer::service::database_turns;
using kind = database_turns::kind;
using namespace std::chrono_literals;

namespace {

const database_turns::clock::time_point start{std::chrono::hours{1}};

}  // namespace

TEST_CASE("an outage has two turns, however many attempts fail and however long it is") {
  database_turns turns;
  CHECK(turns.take("", 0, start).what == kind::serves);
  CHECK(turns.take("", 0, start + 1s).what == kind::nothing);
  const auto begins = turns.take("no answer", 7, start + 2s);
  CHECK(begins.what == kind::cannot_serve);
  CHECK(begins.failed == 7);
  for (int i = 0; i < 100; ++i) {
    CHECK(turns.take("no answer", 10, start + 3s + i * 1s).what == kind::nothing);
  }
  const auto ends = turns.take("", 3, start + 110s);
  CHECK(ends.what == kind::serves);
  CHECK(ends.failed == 1010);
  CHECK(ends.lasted == 108s);
  CHECK(turns.take("", 0, start + 111s).what == kind::nothing);
}

TEST_CASE("a process that begins without its database says so, and says what is missing next") {
  database_turns turns;
  CHECK(turns.take("no answer", 1, start).what == kind::cannot_serve);
  CHECK(turns.take("no answer", 1, start + 1s).what == kind::nothing);
  CHECK(turns.take("missing", 0, start + 2s).what == kind::cannot_serve);
  CHECK(turns.take("missing", 0, start + 3s).what == kind::nothing);
  const auto ends = turns.take("", 0, start + 4s);
  CHECK(ends.what == kind::serves);
  CHECK(ends.failed == 2);
  CHECK(ends.lasted == 4s);
}

TEST_CASE("attempts that fail while the database can be looked at are told of twice, too") {
  database_turns turns;
  turns.take("", 0, start);
  CHECK(turns.take("", 2, start + 1s).what == kind::attempts_fail);
  CHECK(turns.take("", 5, start + 2s).what == kind::nothing);
  CHECK(turns.take("", 0, start + 2s + database_turns::quiet - 1s).what == kind::nothing);
  CHECK(turns.take("", 1, start + 11s).what == kind::nothing);  // goes on
  const auto ends = turns.take("", 0, start + 11s + database_turns::quiet);
  CHECK(ends.what == kind::attempts_succeed);
  CHECK(ends.failed == 8);
  CHECK(ends.lasted == 10s);
  CHECK(turns.take("", 0, start + 30s).what == kind::nothing);
  // What begins so may become an outage: its end counts all of it.
  CHECK(turns.take("", 4, start + 31s).what == kind::attempts_fail);
  CHECK(turns.take("no answer", 1, start + 32s).what == kind::cannot_serve);
  const auto outage_ends = turns.take("", 0, start + 33s);
  CHECK(outage_ends.what == kind::serves);
  CHECK(outage_ends.failed == 5);
  CHECK(outage_ends.lasted == 2s);
}

}  // namespace service_database_turns_test
