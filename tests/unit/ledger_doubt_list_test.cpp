#include "coffer/ledger/doubt_list.hpp"

#include "support/catch.hpp"

namespace ledger_doubt_list_test {

using namespace coffer;

namespace {

constexpr user_id alice{1};
constexpr user_id bob{2};

domain::key_place place(user_id user, std::string_view key, bool by_player = false) {
  return {.user = user, .by_player = by_player, .key = key};
}

}  // namespace

TEST_CASE("keys in doubt are known by user and key until the user is settled") {
  ledger::doubt_list doubts{10};
  CHECK(doubts.add(place(alice, "a")));
  CHECK(doubts.add(place(alice, "b")));
  CHECK(doubts.add(place(bob, "a")));
  CHECK(doubts.add(place(bob, "a")));
  CHECK(doubts.size() == 3);
  CHECK(doubts.holds(place(alice, "b")));
  CHECK_FALSE(doubts.holds(place(bob, "b")));
  doubts.settle(alice);
  doubts.settle(user_id{3});
  CHECK_FALSE(doubts.holds(place(alice, "a")));
  CHECK_FALSE(doubts.holds(place(alice, "b")));
  CHECK(doubts.holds(place(bob, "a")));
  CHECK(doubts.size() == 1);
}

TEST_CASE("of too many keys in doubt the oldest is forgotten, and said to be") {
  ledger::doubt_list doubts{2};
  CHECK(doubts.add(place(bob, "1")));
  CHECK(doubts.add(place(alice, "2")));
  CHECK(doubts.add(place(bob, "1")));
  CHECK_FALSE(doubts.add(place(alice, "3")));
  CHECK(doubts.size() == 2);
  CHECK(doubts.holds(place(bob, "1")));
  CHECK_FALSE(doubts.holds(place(alice, "2")));
  CHECK(doubts.holds(place(alice, "3")));
}

TEST_CASE("a player's key in doubt is not the server key's, and both end with their user") {
  ledger::doubt_list doubts{10};
  CHECK(doubts.add(place(alice, "a", true)));
  CHECK(doubts.holds(place(alice, "a", true)));
  CHECK_FALSE(doubts.holds(place(alice, "a")));
  CHECK(doubts.add(place(alice, "a")));
  CHECK(doubts.size() == 2);
  doubts.settle(alice);
  CHECK(doubts.size() == 0);
}

}  // namespace ledger_doubt_list_test
