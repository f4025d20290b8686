#include "coffer/ledger/doubt_list.hpp"

#include "support/catch.hpp"

using namespace coffer;

namespace {

constexpr user_id alice{1};
constexpr user_id bob{2};

}  // namespace

TEST_CASE("keys in doubt are known by user and key until the user is settled") {
  ledger::doubt_list doubts{10};
  CHECK(doubts.add(alice, "a"));
  CHECK(doubts.add(alice, "b"));
  CHECK(doubts.add(bob, "a"));
  CHECK(doubts.add(bob, "a"));
  CHECK(doubts.size() == 3);
  CHECK(doubts.holds(alice, "b"));
  CHECK_FALSE(doubts.holds(bob, "b"));
  doubts.settle(alice);
  doubts.settle(user_id{3});
  CHECK_FALSE(doubts.holds(alice, "a"));
  CHECK_FALSE(doubts.holds(alice, "b"));
  CHECK(doubts.holds(bob, "a"));
  CHECK(doubts.size() == 1);
}

TEST_CASE("of too many keys in doubt the oldest is forgotten, and said to be") {
  ledger::doubt_list doubts{2};
  CHECK(doubts.add(bob, "1"));
  CHECK(doubts.add(alice, "2"));
  CHECK(doubts.add(bob, "1"));
  CHECK_FALSE(doubts.add(alice, "3"));
  CHECK(doubts.size() == 2);
  CHECK(doubts.holds(bob, "1"));
  CHECK_FALSE(doubts.holds(alice, "2"));
  CHECK(doubts.holds(alice, "3"));
}
