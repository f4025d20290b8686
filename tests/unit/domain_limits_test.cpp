// The rules of limited products: stock, limit per user, sale window, and what their refusals tell.
#include <deque>

#include "coffer/domain/decide.hpp"
#include "support/catch.hpp"

namespace domain_limits_test {

using namespace coffer;
using namespace coffer::domain;

namespace {

constexpr user_id alice{1};
constexpr user_id bob{2};
constexpr product_id sword{10};
constexpr timestamp noon{std::chrono::hours{12}};
constexpr std::chrono::microseconds tick{1};

/// Two rich users and one product with a stock of three.
class market {
 public:
  market() {
    state.wallets = {{.user = alice, .balance = {1000}, .at = {0}}, {.user = bob, .balance = {1000}, .at = {0}}};
    state.products = {{.id = sword, .price = {10}, .is_limited = true}};
    state.stocks = {{.product = sword, .supply = 8, .sold = 5}};
    state.time = noon;
  }

  product_terms& terms() { return state.products[0]; }
  command& buy(user_id user, std::int64_t quantity = 1) {
    command c;
    c.user = user;
    c.product = sword;
    c.quantity = quantity;
    commands.push_back(c);
    return commands.back();
  }
  const std::vector<verdict>& decide_all() {
    std::vector<const command*> list;
    list.reserve(commands.size());
    for (const command& c : commands) {
      list.push_back(&c);
    }
    effects = decide(list, state);
    return effects.verdicts;
  }
  /// The only row of a market with one command.
  const transaction& only_row() {
    decide_all();
    REQUIRE(effects.verdicts.size() == 1);
    REQUIRE(effects.verdicts[0].has_value());
    return effects.verdicts[0]->row;
  }

  batch_state state;
  std::deque<command> commands;
  batch_effects effects;
};

std::int64_t number(const error& e, std::string_view name) {
  for (const error::number& n : e.numbers) {
    if (n.name == name) {
      return n.value;
    }
  }
  FAIL("no number " << name);
  return 0;
}

}  // namespace

TEST_CASE("a stock is sold to the last piece and not further, whoever asks") {
  market m;
  m.buy(alice, 2);
  m.buy(bob, 2);
  m.buy(bob);
  m.buy(alice);
  const auto& verdicts = m.decide_all();
  CHECK(verdicts[0]->row.details.units_sold() == 7);
  CHECK(verdicts[1]->row.reason == errc::sold_out);
  const error refusal = refusal_of(verdicts[1]->row).value();
  CHECK(number(refusal, "requested") == 2);
  CHECK(number(refusal, "available") == 1);
  CHECK(verdicts[2]->row.details.units_sold() == 8);
  CHECK(number(refusal_of(verdicts[3]->row).value(), "available") == 0);
  CHECK(m.state.stocks[0].sold == 8);
  CHECK(m.state.stocks[0].changed);
  CHECK(m.state.find_wallet(alice)->balance == credits{980});
}

TEST_CASE("a refused purchase takes nothing from the stock") {
  market m;
  m.state.wallets[0].balance = credits{5};
  m.buy(alice);
  CHECK(m.only_row().reason == errc::insufficient_funds);
  CHECK(m.state.stocks[0].sold == 5);
  CHECK_FALSE(m.state.stocks[0].changed);
}

TEST_CASE("a group that is refused gives back what it had taken from the stock") {
  market m;
  m.terms().per_user_limit = 3;
  m.buy(alice, 2).together = 2;
  m.buy(alice, 2);
  m.buy(bob, 3);
  const auto& verdicts = m.decide_all();
  CHECK(verdicts[0].error().code == errc::not_executed);
  CHECK(verdicts[1]->row.reason == errc::limit_reached);
  CHECK(verdicts[2]->row.details.units_sold() == 8);
  CHECK(m.state.stocks[0].sold == 8);
  CHECK(m.state.holding_of(alice, sword).bought == 0);
}

TEST_CASE("a product without a stock is sold without one") {
  market m;
  m.terms().is_limited = false;
  m.state.stocks.clear();
  m.buy(alice, 50);
  const transaction& row = m.only_row();
  CHECK(row.status == transaction_status::completed);
  CHECK_FALSE(row.details.units_sold());
}

TEST_CASE("a user buys up to the limit, and what was used up counts") {
  market m;
  m.terms().per_user_limit = 3;
  m.state.holdings = {
      {.user = alice, .product = sword, .quantity = 0, .bought = 2, .purchased_at = {}, .stored = true}};
  m.buy(alice, 2);
  m.buy(alice);
  m.buy(alice);
  m.buy(bob);
  const auto& verdicts = m.decide_all();
  CHECK(verdicts[0]->row.reason == errc::limit_reached);
  const error refusal = refusal_of(verdicts[0]->row).value();
  CHECK(number(refusal, "limit") == 3);
  CHECK(number(refusal, "bought") == 2);
  CHECK(number(refusal, "requested") == 2);
  CHECK(verdicts[1]->row.status == transaction_status::completed);
  CHECK(number(refusal_of(verdicts[2]->row).value(), "bought") == 3);
  CHECK(verdicts[3]->row.status == transaction_status::completed);
  CHECK(m.state.holding_of(alice, sword).bought == 3);
}

TEST_CASE("a sale holds from its start until just before its end") {
  market m;
  m.buy(alice);
  SECTION("just before the start") {
    m.terms().sale_starts_at = noon + tick;
    const transaction& row = m.only_row();
    CHECK(row.reason == errc::not_on_sale);
    const error refusal = refusal_of(row).value();
    CHECK(refusal.detail.contains("not started"));
    CHECK(refusal.numbers[0].name == "sale_starts_at");
    CHECK(refusal.numbers[0].shown_as == error::unit::time);
    CHECK(refusal.numbers[0].value == (noon + tick).time_since_epoch().count());
    CHECK(refusal.numbers[1].shown_as == error::unit::nothing);
  }
  SECTION("at the start") {
    m.terms().sale_starts_at = noon;
    CHECK(m.only_row().status == transaction_status::completed);
  }
  SECTION("just before the end") {
    m.terms().sale_ends_at = noon + tick;
    CHECK(m.only_row().status == transaction_status::completed);
  }
  SECTION("at the end") {
    m.terms().sale_starts_at = noon - tick;
    m.terms().sale_ends_at = noon;
    const transaction& row = m.only_row();
    CHECK(row.reason == errc::not_on_sale);
    CHECK(refusal_of(row).value().detail.contains("over"));
  }
}

TEST_CASE("of several reasons for a refusal the first in the documented order is given") {
  market m;
  m.terms().is_active = false;
  m.terms().sale_ends_at = noon;
  m.terms().per_user_limit = 1;
  m.state.stocks[0].sold = 8;
  m.state.wallets[0].balance = credits{0};
  m.buy(alice, 2).expected_price = credits{9};
  const auto reason = [&m] {
    batch_state fresh = m.state;
    std::vector<const command*> list{&m.commands.front()};
    return decide(list, fresh).verdicts.at(0)->row.reason;
  };
  CHECK(reason() == errc::product_inactive);
  m.terms().is_active = true;
  CHECK(reason() == errc::not_on_sale);
  m.terms().sale_ends_at.reset();
  CHECK(reason() == errc::price_changed);
  m.commands.front().expected_price.reset();
  CHECK(reason() == errc::limit_reached);
  m.terms().per_user_limit.reset();
  CHECK(reason() == errc::sold_out);
  m.state.stocks[0].sold = 0;
  CHECK(reason() == errc::insufficient_funds);
}

}  // namespace domain_limits_test
