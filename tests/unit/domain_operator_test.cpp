// Grants and refunds: what they do, what refuses them, and what their refusals tell.
#include <deque>
#include <map>
#include <random>

#include "coffer/domain/decide.hpp"
#include "coffer/domain/replay.hpp"
#include "support/catch.hpp"

namespace domain_operator_test {

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
  /// Of the deposit of so many credits at version 1.
  command chargeback(std::int64_t deposited, bool up_to = false) {
    command c = refund();
    c.product.reset();
    c.purchase = {.at = version{1}, .amount = {deposited}, .is_deposit = true};
    c.up_to = up_to;
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

}  // namespace

TEST_CASE("a grant of credits gives or takes them") {
  counter c;
  const transaction given = c.row(c.grant(30));
  CHECK(given.amount.value == 30);
  CHECK(given.balance_after.value == 1030);
  CHECK_FALSE(takes_away(given));
  CHECK(given.note == "why");
  const transaction taken = c.row(c.grant(-1030));
  CHECK(taken.amount.value == 1030);
  CHECK(taken.balance_after.value == 0);
  CHECK(takes_away(taken));
}

TEST_CASE("a grant takes no more credits than there are and fills no wallet beyond its limit") {
  counter c;
  const transaction taken = c.row(c.grant(-1001));
  CHECK(taken.reason == errc::insufficient_funds);
  CHECK(number(refusal_of(taken).value(), "required") == 1001);
  CHECK(number(refusal_of(taken).value(), "available") == 1000);
  CHECK(takes_away(taken));
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
  CHECK(first.details.refunded() == 4);
  CHECK(first.details.missing() == 0);
  CHECK(c.state.holding_of(alice, potion).bought == 2);
  const transaction rest = c.row(c.refund());
  CHECK(rest.quantity == 1);
  const transaction used = c.row(c.refund());
  CHECK(used.reason == errc::not_refundable);
  CHECK(number(refusal_of(used).value(), "requested") == 1);
  CHECK(number(refusal_of(used).value(), "refundable") == 0);
  const transaction forced = c.row(c.refund(0, true));
  CHECK(forced.status == transaction_status::completed);
  CHECK(forced.details.missing() == 1);
  CHECK(forced.item_quantity_after == 0);
  CHECK(c.balance() == 1021);
  CHECK(c.row(c.refund(0, true)).reason == errc::already_refunded);
  CHECK(c.row(c.refund()).reason == errc::already_refunded);
  CHECK(c.state.refund_of(alice, version{4}).units == 3);
}

TEST_CASE("a row that a failover took back is not refunded, whatever stands in its place") {
  counter c;
  command late = c.refund(1);
  late.purchase.bought_at = timestamp{std::chrono::hours{1}};
  c.state.lost = {{alice, late.purchase.at, late.purchase.bought_at}};
  const verdict refused = c.decide_one(late);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == errc::transaction_not_found);
  CHECK(c.row(c.refund(1)).status == transaction_status::completed);
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
  CHECK(number(refusal_of(many).value(), "refundable") == 3);
  const transaction forced = c.row(c.refund(3, true));
  CHECK(forced.details.missing() == 1);
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
  CHECK(number(refusal_of(row).value(), "requested") == 500);
  CHECK(number(refusal_of(row).value(), "refundable") == 0);
  command use = c.refund(2);
  use.purchase = {.at = version{2}, .amount = {}, .units = 3};
  CHECK(number(refusal_of(c.row(use)).value(), "requested") == 2);
  use.quantity = 0;
  CHECK(number(refusal_of(c.row(use)).value(), "requested") == 3);
  CHECK_FALSE(row.item_quantity_after);
  CHECK(c.balance() == 1000);
}

TEST_CASE("a refund that would fill the wallet beyond its limit is refused") {
  counter c;
  c.state.wallets[0].balance = {max_credits.value - 6};
  CHECK(c.row(c.refund(1)).reason == errc::balance_limit_exceeded);
  CHECK(c.owned(potion) == 2);
}

TEST_CASE("a refusal says what was asked for, at its price, and what could be refunded") {
  counter c;
  c.state.holding_of(alice, potion).quantity = 0;
  const transaction all = c.row(c.refund());
  CHECK(number(refusal_of(all).value(), "requested") == 3);
  CHECK(number(refusal_of(all).value(), "refundable") == 0);
  CHECK(all.amount.value == 21);
  const transaction many = c.row(c.refund(5, true));
  CHECK(number(refusal_of(many).value(), "requested") == 5);
  CHECK(number(refusal_of(many).value(), "refundable") == 3);
  CHECK(many.amount.value == 35);
}

TEST_CASE("a deposit is taken back as a whole and once") {
  counter c;
  const transaction row = c.row(c.chargeback(400));
  CHECK(row.status == transaction_status::completed);
  CHECK(row.amount.value == 400);
  CHECK(row.quantity == 0);
  CHECK(row.balance_after.value == 600);
  CHECK(row.details.refunded() == 1);
  CHECK(missing_of(row) == 0);
  CHECK_FALSE(row.product);
  CHECK(c.state.refund_of(alice, version{1}).units == 400);
  CHECK(c.row(c.chargeback(400)).reason == errc::already_refunded);
  CHECK(c.row(c.chargeback(400, true)).reason == errc::already_refunded);
  CHECK(c.balance() == 600);
}

TEST_CASE("of a deposit that is partly spent as much as is there is taken back, where that is allowed") {
  counter c;
  const transaction refused = c.row(c.chargeback(1001));
  CHECK(refused.reason == errc::not_refundable);
  CHECK(refused.amount.value == 1001);
  CHECK(number(refusal_of(refused).value(), "requested") == 1001);
  CHECK(number(refusal_of(refused).value(), "refundable") == 1000);
  CHECK(c.balance() == 1000);
  const transaction taken = c.row(c.chargeback(1001, true));
  CHECK(taken.amount.value == 1000);
  CHECK(missing_of(taken) == 1);
  CHECK(taken.balance_after.value == 0);
  command other = c.chargeback(7, true);
  other.purchase.at = version{2};
  const transaction nothing = c.row(other);
  CHECK(nothing.status == transaction_status::completed);
  CHECK(nothing.amount.value == 0);
  CHECK(missing_of(nothing) == 7);
}

TEST_CASE("whatever is deposited, spent and taken back, no credit is lost, doubled or invented") {
  std::minstd_rand random{7};
  const auto draw = [&random](std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>{0, most}(random);
  };
  for (int run = 0; run < 300; ++run) {
    counter c;
    c.state.wallets = {{.user = alice, .balance = {0}, .at = {0}}};
    std::vector<transaction> rows;
    std::map<std::int64_t, std::int64_t> taken;  // by version of the deposit: taken back and missing
    std::int64_t balance = 0;
    for (int step = 0; step < 30; ++step) {
      command wish = c.grant(-1 - draw(40));
      if (const auto kind = draw(3); kind == 0 || rows.empty()) {
        wish.kind = transaction_kind::deposit;
        wish.amount = {1 + draw(50)};
      } else if (kind > 1) {
        wish = c.refund(0);
        wish.purchase = to_refund(rows[static_cast<std::size_t>(draw(std::ssize(rows) - 1))]);
        wish.product.reset();
        wish.up_to = draw(1) == 1;
      }
      const transaction row = c.row(wish);
      const bool done = row.status == transaction_status::completed;
      if (done && row.kind == transaction_kind::refund) {
        const std::int64_t missing = missing_of(row).value();
        const transaction& deposit = rows.at(static_cast<std::size_t>(*row.details.refunded() - 1));
        CHECK(deposit.kind == transaction_kind::deposit);
        CHECK(row.amount.value + missing == deposit.amount.value);
        CHECK(row.amount.value == std::min(balance, deposit.amount.value));
        CHECK((missing == 0 || wish.up_to));
        CHECK(taken.emplace(*row.details.refunded(), row.amount.value).second);
      }
      const bool adds = row.kind == transaction_kind::deposit;
      balance += done ? (adds ? row.amount.value : -row.amount.value) : 0;
      CHECK(row.balance_after.value == balance);
      CHECK(c.balance() == balance);
      CHECK(balance >= 0);
      rows.push_back(row);
    }
    std::vector<book_violation> found;
    const replay::catalogue products;
    replay books{products, [&found](book_violation v) { found.push_back(std::move(v)); }};
    books.begin(alice, stored_wallet{.user = alice, .balance = balance, .at = std::ssize(rows)});
    for (const transaction& row : rows) {
      journal_entry entry;
      entry.user = alice;
      entry.at = row.at.value;
      entry.kind = row.kind;
      entry.status = row.status;
      entry.amount = row.amount.value;
      entry.balance_after = row.balance_after.value;
      entry.has_reason = row.reason.has_value();
      entry.details = row.details;
      books.entry(entry);
    }
    books.end();
    CHECK(found.empty());
  }
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
                              std::int64_t amount, std::int64_t balance, std::int64_t owned, row_details details = {}) {
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
    row.details = details;
    books.entry(row);
  };
  using enum transaction_kind;
  books.begin(alice, stored_wallet{.user = alice, .balance = 70, .at = 6});
  entry(1, grant, false, 0, 100, 100, 0);
  entry(2, grant, false, 0, 30, 70, 0, row_details::of_taking());
  entry(3, purchase, true, 3, 21, 49, 3);
  entry(4, grant, true, 2, 0, 49, 5);
  entry(5, grant, true, 4, 0, 49, 1, row_details::of_taking());
  entry(6, refund, true, 3, 21, 70, 0, row_details::of_refund(version{3}, 2));
  books.holding({.user = alice, .product = potion, .quantity = 0});
  books.end();
  CHECK(found.empty());
}

TEST_CASE("a replay knows what a deposit's refund takes, and that only an empty wallet lacks any") {
  const replay::catalogue products;
  std::vector<book_violation> found;
  replay books{products, [&found](book_violation v) { found.push_back(std::move(v)); }};
  const auto entry = [&books](std::int64_t at, transaction_kind kind, std::int64_t amount, std::int64_t balance,
                              row_details details = {}) {
    journal_entry row;
    row.user = alice;
    row.at = at;
    row.kind = kind;
    row.amount = amount;
    row.balance_after = balance;
    row.details = details;
    books.entry(row);
  };
  using enum transaction_kind;
  books.begin(alice, stored_wallet{.user = alice, .balance = 0, .at = 4});
  entry(1, deposit, 100, 100);
  entry(2, deposit, 50, 150);
  entry(3, refund, 100, 50, row_details::of_refund(version{1}, 0));
  entry(4, refund, 50, 0, row_details::of_refund(version{2}, 0));
  books.end();
  CHECK(found.empty());
  books.begin(alice, stored_wallet{.user = alice, .balance = 10, .at = 2});
  entry(1, deposit, 100, 100);
  entry(2, refund, 90, 10, row_details::of_refund(version{1}, 10));
  books.end();
  REQUIRE(found.size() == 1);
  CHECK(found[0].rule == rule::missing);
}

}  // namespace domain_operator_test
