#include "coffer/ledger/unresolved_keys.hpp"

#include "support/catch.hpp"

namespace ledger_unresolved_keys_test {

using namespace coffer;

namespace {

constexpr user_id alice{1};
constexpr user_id bob{2};

domain::key_place place(user_id user, std::string_view key, bool by_player = false) {
  return {.user = user, .by_player = by_player, .key = key};
}

}  // namespace

TEST_CASE("unresolved keys are known by user and key until the user is settled") {
  ledger::unresolved_keys unresolved{10};
  CHECK(unresolved.add(place(alice, "a")));
  CHECK(unresolved.add(place(alice, "b")));
  CHECK(unresolved.add(place(bob, "a")));
  CHECK(unresolved.add(place(bob, "a")));
  CHECK(unresolved.size() == 3);
  CHECK(unresolved.holds(place(alice, "b")));
  CHECK_FALSE(unresolved.holds(place(bob, "b")));
  unresolved.settle(alice);
  unresolved.settle(user_id{3});
  CHECK_FALSE(unresolved.holds(place(alice, "a")));
  CHECK_FALSE(unresolved.holds(place(alice, "b")));
  CHECK(unresolved.holds(place(bob, "a")));
  CHECK(unresolved.size() == 1);
}

TEST_CASE("of too many unresolved keys the oldest is forgotten, and said to be") {
  ledger::unresolved_keys unresolved{2};
  CHECK(unresolved.add(place(bob, "1")));
  CHECK(unresolved.add(place(alice, "2")));
  CHECK(unresolved.add(place(bob, "1")));
  CHECK_FALSE(unresolved.add(place(alice, "3")));
  CHECK(unresolved.size() == 2);
  CHECK(unresolved.holds(place(bob, "1")));
  CHECK_FALSE(unresolved.holds(place(alice, "2")));
  CHECK(unresolved.holds(place(alice, "3")));
}

TEST_CASE("a player's key in doubt is not the server key's, and both end with their user") {
  ledger::unresolved_keys unresolved{10};
  CHECK(unresolved.add(place(alice, "a", true)));
  CHECK(unresolved.holds(place(alice, "a", true)));
  CHECK_FALSE(unresolved.holds(place(alice, "a")));
  CHECK(unresolved.add(place(alice, "a")));
  CHECK(unresolved.size() == 2);
  unresolved.settle(alice);
  CHECK(unresolved.size() == 0);
}

}  // namespace ledger_unresolved_keys_test
