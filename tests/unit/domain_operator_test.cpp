// Grants and refunds: what they do, what refuses them, and what their refusals tell.
#include <deque>

#include "coffer/domain/decide.hpp"
#include "coffer/domain/replay.hpp"
#include "support/catch.hpp"

using namespace coffer;
using namespace coffer::domain;

namespace {

constexpr user_id alice{1};
constexpr product_id potion{10};
constexpr product_id crown{11};
constexpr product_id drop{12};

/// Alice with 1000 credits, two potions of a purchase of three at 7 each (version 4), and no crown.
class counter {
 public:
  counter() {
    state.wallets = {{.user = alice, .balance = {1000}, .at = {9}}};
    state.products = {{.id = potion, .price = {10}},
                      {.id = crown, .price = {50}, .type = product_type::permanent, .is_active = false},
                      {.id = drop, .price = {5}, .is_limited = true}};
    state.stocks = {{.product = drop, .supply = 8, .sold = 8}};
    state.holdings = {
        {.user = alice, .product = potion, .quantity = 2, .bought = 3, .purchased_at = {}, .stored = true},
        {.user = alice, .product = drop, .quantity = 2, .bought = 2, .purchased_at = {}, .stored = true}};
  }

  command grant(std::int64_t credits) {
    command c;
    c.kind = transaction_kind::grant;
    c.user = alice;
    c.amount = {credits};
    c.note = "why";
    return c;
  }
  command grant(product_id product, std::int64_t quantity) {
    command c = grant(0);
    c.product = product;
    c.quantity = quantity;
    return c;
  }
  command refund(std::int64_t quantity = 0, bool force = false) {
    command c;
    c.kind = transaction_kind::refund;
    c.user = alice;
    c.product = potion;
    c.purchase = {.at = version{4}, .quantity = 3, .amount = {21}, .from_stock = false};
    c.quantity = quantity;
    c.force = force;
    c.note = "why";
    return c;
  }
  verdict decide_one(command c) {
    const command* list[] = {&commands.emplace_back(std::move(c))};
    return decide(list, state).verdicts.front();
  }
  transaction row(command c) {
    verdict v = decide_one(std::move(c));
    REQUIRE(v.has_value());
    return v->row;
  }
  std::int64_t owned(product_id product) { return state.holding_of(alice, product).quantity; }
  std::int64_t balance() { return state.wallets[0].balance.value; }

  batch_state state;
  std::deque<command> commands;
};

std::int64_t number(const error& e, std::string_view name) {
  for (const error::number& n : e.numbers) {
    if (n.name == name) {
      return n.value;
    }
  }
  return -1;
}

/// detail_1 and detail_2 of a row.
struct row_extra {
  std::optional<std::int64_t> first;
  std::optional<std::int64_t> second;
};

}  // namespace

TEST_CASE("a grant of credits gives or takes them") {
  counter c;
  const transaction given = c.row(c.grant(30));
  CHECK(given.amount.value == 30);
  CHECK(given.balance_after.value == 1030);
  CHECK_FALSE(given.detail_1);
  CHECK(given.note == "why");
  const transaction taken = c.row(c.grant(-1030));
  CHECK(taken.amount.value == 1030);
  CHECK(taken.balance_after.value == 0);
  CHECK(taken.detail_1 == taken_away);
}

TEST_CASE("a grant takes no more credits than there are and fills no wallet beyond its limit") {
  counter c;
  const transaction taken = c.row(c.grant(-1001));
  CHECK(taken.reason == errc::insufficient_funds);
  CHECK(number(refusal_of(taken), "required") == 1001);
  CHECK(number(refusal_of(taken), "available") == 1000);
  CHECK(taken.detail_1 == taken_away);
  const transaction given = c.row(c.grant(max_credits.value - 999));
  CHECK(given.reason == errc::balance_limit_exceeded);
  CHECK(c.row(c.grant(max_credits.value - 1000)).balance_after == max_credits);
}

TEST_CASE("a grant of items gives or takes them, whether they are for sale or not") {
  counter c;
  const transaction given = c.row(c.grant(potion, 5));
  CHECK(given.item_quantity_after == 7);
  CHECK(given.amount.value == 0);
  CHECK(c.state.holding_of(alice, potion).bought == 3);
  CHECK(c.row(c.grant(potion, -7)).item_quantity_after == 0);
  const transaction missing = c.row(c.grant(potion, -1));
  CHECK(missing.reason == errc::not_enough_items);
  CHECK(missing.quantity == 1);
  CHECK(c.row(c.grant(crown, 1)).item_quantity_after == 1);
  CHECK(c.row(c.grant(crown, 1)).reason == errc::already_owned);
  CHECK(c.row(c.grant(crown, -1)).item_quantity_after == 0);
  CHECK(c.decide_one(c.grant(crown, 2)).error().code == errc::validation_failed);
  CHECK(c.decide_one(c.grant(product_id{99}, 1)).error().code == errc::product_not_found);
  CHECK(c.balance() == 1000);
}

TEST_CASE("a grant leaves stocks alone") {
  counter c;
  CHECK(c.row(c.grant(drop, 3)).item_quantity_after == 5);
  CHECK(c.state.stocks[0].sold == 8);
  CHECK_FALSE(c.state.stocks[0].changed);
}

TEST_CASE("a refund gives back the price that was paid, unit by unit and once") {
  counter c;
  const transaction first = c.row(c.refund(1));
  CHECK(first.amount.value == 7);
  CHECK(first.balance_after.value == 1007);
  CHECK(first.item_quantity_after == 1);
  CHECK(first.detail_1 == 4);
  CHECK(first.detail_2 == 0);
  CHECK(c.state.holding_of(alice, potion).bought == 2);
  const transaction rest = c.row(c.refund());
  CHECK(rest.quantity == 1);
  const transaction used = c.row(c.refund());
  CHECK(used.reason == errc::not_refundable);
  CHECK(number(refusal_of(used), "requested") == 1);
  CHECK(number(refusal_of(used), "refundable") == 0);
  const transaction forced = c.row(c.refund(0, true));
  CHECK(forced.status == transaction_status::completed);
  CHECK(forced.detail_2 == 1);
  CHECK(forced.item_quantity_after == 0);
  CHECK(c.balance() == 1021);
  CHECK(c.row(c.refund(0, true)).reason == errc::already_refunded);
  CHECK(c.row(c.refund()).reason == errc::already_refunded);
  CHECK(c.state.refund_of(alice, version{4}).units == 3);
}

TEST_CASE("a refund is taken off the hour of its sale, and the purchase when nothing is left of it") {
  counter c;
  const auto counted = [&c](command refund) {
    refund.purchase.bought_at = timestamp{std::chrono::hours{5} + std::chrono::minutes{59}};
    const command* list[] = {&c.commands.emplace_back(std::move(refund))};
    return decide(list, c.state).refunded_sales;
  };
  const std::vector<refunded_sale> part = counted(c.refund(2));
  REQUIRE(part.size() == 1);
  CHECK(part[0].hour == std::chrono::sys_time<std::chrono::hours>{std::chrono::hours{5}});
  CHECK(part[0].product == potion);
  CHECK(part[0].purchases == 0);
  CHECK(part[0].units == 2);
  CHECK(part[0].revenue == 14);
  CHECK(counted(c.refund(1)).empty());  // used up
  const std::vector<refunded_sale> rest = counted(c.refund(1, true));
  REQUIRE(rest.size() == 1);
  CHECK(rest[0].purchases == 1);
  CHECK(rest[0].units == 1);
  CHECK(rest[0].revenue == 7);
}

TEST_CASE("more units than a purchase had are never refunded") {
  counter c;
  const transaction many = c.row(c.refund(4, true));
  CHECK(many.reason == errc::not_refundable);
  CHECK(number(refusal_of(many), "refundable") == 3);
  const transaction forced = c.row(c.refund(3, true));
  CHECK(forced.detail_2 == 1);
  CHECK(forced.amount.value == 21);
}

TEST_CASE("what is no completed purchase is not refundable") {
  counter c;
  command deposit = c.refund();
  deposit.product.reset();
  deposit.purchase = {.at = version{1}, .quantity = 0, .amount = {500}, .from_stock = false};
  const transaction row = c.row(deposit);
  CHECK(row.reason == errc::not_refundable);
  CHECK(row.quantity == 0);
  CHECK_FALSE(row.item_quantity_after);
  CHECK(c.balance() == 1000);
}

TEST_CASE("a refund that would fill the wallet beyond its limit is refused") {
  counter c;
  c.state.wallets[0].balance = {max_credits.value - 6};
  CHECK(c.row(c.refund(1)).reason == errc::balance_limit_exceeded);
  CHECK(c.owned(potion) == 2);
}

TEST_CASE("refunded pieces of a limited product are for sale again") {
  counter c;
  command back = c.refund();
  back.product = drop;
  back.purchase = {.at = version{5}, .quantity = 1, .amount = {5}, .from_stock = false};
  CHECK(c.row(back).quantity == 1);
  CHECK(c.state.stocks[0].supply == 8);  // bought before the product was limited
  back.purchase = {.at = version{6}, .quantity = 1, .amount = {5}, .from_stock = true};
  CHECK(c.row(back).quantity == 1);
  CHECK(c.state.stocks[0].supply == 9);
  CHECK(c.state.stocks[0].sold == 8);
  CHECK(c.state.stocks[0].remaining() == 1);
}

TEST_CASE("a key repeats a refund word for word") {
  counter c;
  command keyed = c.refund(1);
  keyed.idempotency_key = "k";
  const command* twice[] = {&keyed, &keyed};
  const auto verdicts = decide(twice, c.state).verdicts;
  CHECK(verdicts[1]->replayed);
  CHECK(verdicts[1]->row.at == verdicts[0]->row.at);
  CHECK(c.owned(potion) == 1);
}

TEST_CASE("a replay follows grants and refunds in both directions") {
  const replay::catalogue products{{potion, product_type::consumable}};
  std::vector<book_violation> found;
  replay books{products, [&found](book_violation v) { found.push_back(std::move(v)); }};
  const auto entry = [&books](std::int64_t at, transaction_kind kind, bool item, std::int64_t quantity,
                              std::int64_t amount, std::int64_t balance, std::int64_t owned, row_extra extra = {}) {
    journal_entry row;
    row.user = alice;
    row.at = at;
    row.kind = kind;
    row.quantity = quantity;
    row.amount = amount;
    row.balance_after = balance;
    if (item) {
      row.product = potion;
      row.item_quantity_after = owned;
    }
    row.detail_1 = extra.first;
    row.detail_2 = extra.second;
    books.entry(row);
  };
  using enum transaction_kind;
  books.begin(alice, stored_wallet{.user = alice, .balance = 70, .at = 6});
  entry(1, grant, false, 0, 100, 100, 0);
  entry(2, grant, false, 0, 30, 70, 0, {taken_away, {}});
  entry(3, purchase, true, 3, 21, 49, 3);
  entry(4, grant, true, 2, 0, 49, 5);
  entry(5, grant, true, 4, 0, 49, 1, {taken_away, {}});
  entry(6, refund, true, 3, 21, 70, 0, {3, 2});
  books.holding({.user = alice, .product = potion, .quantity = 0});
  books.end();
  CHECK(found.empty());
}
