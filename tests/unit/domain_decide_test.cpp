#include "coffer/domain/decide.hpp"

#include <deque>
#include <limits>

#include "support/catch.hpp"

namespace domain_decide_test {

using namespace coffer;
using namespace coffer::domain;

namespace {

constexpr user_id alice{1};
constexpr user_id bob{2};
constexpr product_id potion{10};
constexpr product_id premium{20};
constexpr product_id retired{30};

/// A small world and the commands sent to it.
class world {
 public:
  world() {
    state.wallets = {{.user = alice, .balance = {1000}, .at = {5}}, {.user = bob, .balance = {0}, .at = {0}}};
    state.products = {{.id = potion, .price = {100}, .type = product_type::consumable, .is_active = true},
                      {.id = premium, .price = {500}, .type = product_type::permanent, .is_active = true},
                      {.id = retired, .price = {1}, .type = product_type::consumable, .is_active = false}};
    state.time = timestamp{std::chrono::seconds{1000}};
  }

  command& add(transaction_kind kind, user_id user) {
    command c;
    c.kind = kind;
    c.user = user;
    c.request_id = "r" + std::to_string(commands.size());
    commands.push_back(c);
    return commands.back();
  }
  command& deposit(user_id user, std::int64_t amount) {
    command& c = add(transaction_kind::deposit, user);
    c.amount = {amount};
    return c;
  }
  command& buy(user_id user, product_id product, std::int64_t quantity = 1) {
    command& c = add(transaction_kind::purchase, user);
    c.product = product;
    c.quantity = quantity;
    return c;
  }
  command& use(user_id user, product_id product, std::int64_t quantity = 1) {
    command& c = add(transaction_kind::use, user);
    c.product = product;
    c.quantity = quantity;
    return c;
  }

  void decide_all() {
    std::vector<const command*> list;
    for (const command& c : commands) {
      list.push_back(&c);
    }
    effects = decide(list, state);
    REQUIRE(effects.verdicts.size() == commands.size());
  }

  const transaction& row(std::size_t i) const {
    REQUIRE(effects.verdicts.at(i).has_value());
    return effects.verdicts[i]->row;
  }
  errc refused_without_row(std::size_t i) const {
    REQUIRE(!effects.verdicts.at(i).has_value());
    return effects.verdicts[i].error().code;
  }

  batch_state state;
  std::deque<command> commands;
  batch_effects effects;
};

fingerprint print_of(unsigned char c) {
  fingerprint p{};
  p.fill(std::byte{c});
  return p;
}

}  // namespace

TEST_CASE("a purchase takes the price, adds the item and takes the next version") {
  world w;
  w.buy(alice, potion, 3);
  w.decide_all();
  const transaction& row = w.row(0);
  CHECK(row.status == transaction_status::completed);
  CHECK(row.amount == credits{300});
  CHECK(row.balance_after == credits{700});
  CHECK(row.item_quantity_after == 3);
  CHECK(row.at == version{6});
  CHECK(row.created_at == w.state.time);
  CHECK(w.state.find_wallet(alice)->balance == credits{700});
  CHECK(w.state.holding_of(alice, potion).quantity == 3);
  REQUIRE(w.effects.sales.size() == 1);
  CHECK(w.effects.sales[0].units == 3);
  CHECK(w.effects.sales[0].revenue == 300);
}

TEST_CASE("a batch that sells for more than 64 bits hold is sold, and its revenue ends there") {
  world w;
  w.state.wallets.clear();
  w.state.products[0].price = max_credits;
  for (std::int64_t user = 1; user <= 1025; ++user) {
    w.state.wallets.push_back({.user = user_id{user}, .balance = max_credits, .at = {}});
    w.buy(user_id{user}, potion);
  }
  w.decide_all();
  CHECK(w.row(1024).status == transaction_status::completed);
  REQUIRE(w.effects.sales.size() == 1);
  CHECK(w.effects.sales[0].purchases == 1025);
  CHECK(w.effects.sales[0].revenue == std::numeric_limits<std::int64_t>::max());
}

TEST_CASE("purchases in one batch see each other's spending") {
  world w;
  for (int i = 0; i < 15; ++i) {
    w.buy(alice, potion);
  }
  w.decide_all();
  int completed = 0;
  for (std::size_t i = 0; i < 15; ++i) {
    completed += w.row(i).status == transaction_status::completed ? 1 : 0;
    CHECK(w.row(i).at == version{6 + static_cast<std::int64_t>(i)});
  }
  CHECK(completed == 10);
  CHECK(w.row(14).reason == errc::insufficient_funds);
  CHECK(w.state.find_wallet(alice)->balance == credits{0});
}

TEST_CASE("a permanent product is sold once even within a batch") {
  world w;
  w.buy(alice, premium);
  w.buy(alice, premium);
  w.decide_all();
  CHECK(w.row(0).status == transaction_status::completed);
  CHECK(w.row(1).reason == errc::already_owned);
  CHECK(w.row(1).balance_after == credits{500});
  CHECK(w.effects.sales.at(0).purchases == 1);
}

TEST_CASE("two permanents in one purchase are invalid and leave no row") {
  world w;
  w.buy(alice, premium, 2);
  w.decide_all();
  CHECK(w.refused_without_row(0) == errc::validation_failed);
  CHECK(w.effects.verdicts[0].error().fields.at(0).pointer == "#/quantity");
  CHECK(w.effects.new_rows.empty());
  CHECK(!w.state.find_wallet(alice)->changed);
}

TEST_CASE("an inactive product is refused with a row") {
  world w;
  w.buy(alice, retired);
  w.decide_all();
  CHECK(w.row(0).reason == errc::product_inactive);
  CHECK(w.state.find_wallet(alice)->changed);
  CHECK(w.effects.sales.empty());
}

TEST_CASE("an unknown user or product leaves no row") {
  world w;
  w.buy(user_id{99}, potion);
  w.buy(alice, product_id{99});
  w.use(alice, product_id{99});
  w.decide_all();
  CHECK(w.refused_without_row(0) == errc::user_not_found);
  CHECK(w.refused_without_row(1) == errc::product_not_found);
  CHECK(w.refused_without_row(2) == errc::product_not_found);
  CHECK(w.effects.new_rows.empty());
}

TEST_CASE("an expected price that is not the price is refused with the current one") {
  world w;
  w.buy(alice, potion, 7).expected_price = credits{99};
  w.buy(alice, potion).expected_price = credits{100};
  w.decide_all();
  CHECK(w.row(0).reason == errc::price_changed);
  const error refusal = refusal_of(w.row(0)).value();
  CHECK(refusal.numbers[0].name == "current_price");
  CHECK(refusal.numbers[0].value == 100);
  CHECK(w.row(1).status == transaction_status::completed);
}

TEST_CASE("insufficient funds says what is required and what is there") {
  world w;
  w.buy(bob, potion, 2);
  w.decide_all();
  const error refusal = refusal_of(w.row(0)).value();
  CHECK(refusal.code == errc::insufficient_funds);
  CHECK(refusal.numbers[0].name == "required");
  CHECK(refusal.numbers[0].value == 200);
  CHECK(refusal.numbers[1].name == "available");
  CHECK(refusal.numbers[1].value == 0);
}

TEST_CASE("the dearest product times the largest quantity neither overflows nor leaves the wire's range") {
  world w;
  w.state.products[0].price = max_credits;
  w.buy(alice, potion, max_quantity);
  w.decide_all();
  CHECK(w.row(0).reason == errc::insufficient_funds);
  CHECK(refusal_of(w.row(0)).value().numbers[0].value == max_json_integer);
}

TEST_CASE("a deposit adds up to the limit and is refused beyond it") {
  world w;
  w.deposit(bob, max_credits.value);
  w.deposit(bob, 1);
  w.decide_all();
  CHECK(w.row(0).balance_after == max_credits);
  CHECK(!w.row(0).product);
  CHECK(w.row(0).quantity == 0);
  CHECK(w.row(1).reason == errc::balance_limit_exceeded);
  CHECK(w.state.find_wallet(bob)->balance == max_credits);
}

TEST_CASE("exactly the units that are owned can be used") {
  world w;
  w.buy(alice, potion, 3);
  for (int i = 0; i < 5; ++i) {
    w.use(alice, potion);
  }
  w.use(alice, potion, 2);
  w.decide_all();
  CHECK(w.row(3).status == transaction_status::completed);
  CHECK(w.row(3).item_quantity_after == 0);
  CHECK(w.row(4).reason == errc::not_enough_items);
  CHECK(w.row(6).reason == errc::not_enough_items);
  const error refusal = refusal_of(w.row(6)).value();
  CHECK(refusal.numbers[0].value == 2);
  CHECK(refusal.numbers[1].value == 0);
}

TEST_CASE("a permanent product cannot be used up") {
  world w;
  w.buy(alice, premium);
  w.use(alice, premium);
  w.decide_all();
  CHECK(w.row(1).reason == errc::not_consumable);
  CHECK(w.state.holding_of(alice, premium).quantity == 1);
}

TEST_CASE("a retired product can still be used") {
  world w;
  w.state.holdings = {{.user = alice, .product = retired, .quantity = 1, .purchased_at = {}}};
  w.use(alice, retired);
  w.decide_all();
  CHECK(w.row(0).status == transaction_status::completed);
}

TEST_CASE("a key repeated in a batch has one effect and identical answers") {
  world w;
  for (int i = 0; i < 3; ++i) {
    command& c = w.buy(alice, potion);
    c.idempotency_key = "k";
    c.print = print_of(1);
  }
  w.decide_all();
  CHECK(!w.effects.verdicts[0]->replayed);
  CHECK(w.effects.verdicts[1]->replayed);
  CHECK(w.row(2).at == w.row(0).at);
  CHECK(w.row(2).request_id == "r0");
  CHECK(w.state.find_wallet(alice)->balance == credits{900});
  CHECK(w.effects.new_rows.size() == 1);
}

TEST_CASE("a key with another fingerprint is refused and executes nothing") {
  world w;
  w.buy(alice, potion).idempotency_key = "k";
  command& other = w.buy(alice, potion, 2);
  other.idempotency_key = "k";
  other.print = print_of(2);
  w.decide_all();
  CHECK(w.refused_without_row(1) == errc::idempotency_key_reused);
  CHECK(w.state.find_wallet(alice)->balance == credits{900});
}

TEST_CASE("the same key of another user is another key") {
  world w;
  w.state.find_wallet(bob)->balance = credits{100};
  w.buy(alice, potion).idempotency_key = "k";
  w.buy(bob, potion).idempotency_key = "k";
  w.decide_all();
  CHECK(!w.effects.verdicts[0]->replayed);
  CHECK(!w.effects.verdicts[1]->replayed);
}

TEST_CASE("a refusal in the journal is replayed although it would succeed now") {
  world w;
  transaction refused;
  refused.user = alice;
  refused.at = version{2};
  refused.kind = transaction_kind::purchase;
  refused.status = transaction_status::failed;
  refused.reason = errc::insufficient_funds;
  refused.product = potion;
  refused.quantity = 1;
  refused.amount = credits{100};
  refused.idempotency_key = "k";
  refused.print = print_of(3);
  w.state.keyed = {refused};
  command& again = w.buy(alice, potion);
  again.idempotency_key = "k";
  again.print = print_of(3);
  w.decide_all();
  CHECK(w.effects.verdicts[0]->replayed);
  CHECK(w.row(0).reason == errc::insufficient_funds);
  CHECK(!w.state.find_wallet(alice)->changed);
}

TEST_CASE("every kind and status is spelled as the contract does") {
  for (const auto* name : {"deposit", "purchase", "use", "refund", "grant"}) {
    CHECK(to_string(*transaction_kind_from_string(name)) == name);
  }
  for (const auto* name : {"pending", "completed", "failed"}) {
    CHECK(to_string(*transaction_status_from_string(name)) == name);
  }
  CHECK(!transaction_kind_from_string("gift"));
}

TEST_CASE("a key of the player and the same key of a server are two, in the journal and within a batch") {
  world w;
  transaction earlier;
  earlier.user = alice;
  earlier.at = {4};
  earlier.idempotency_key = "k";
  earlier.print = fingerprint{};
  earlier.by = actor::player();
  w.state.keyed = {earlier};
  for (const actor by : {actor::server_key(7), actor::player(), actor{}, actor::server_key(8)}) {
    command& c = w.deposit(alice, 10);
    c.idempotency_key = "k";
    c.by = by;
  }
  w.decide_all();
  const auto& verdicts = w.effects.verdicts;
  REQUIRE(verdicts.size() == 4);
  CHECK(!verdicts[0]->replayed);
  CHECK(verdicts[0]->row.by == actor::server_key(7));
  CHECK(verdicts[1]->replayed);
  CHECK(verdicts[1]->row.at == version{4});
  // All servers share their keys, whether they are known or not.
  for (const std::size_t again : {2U, 3U}) {
    CHECK(verdicts[again]->replayed);
    CHECK(verdicts[again]->row.at == verdicts[0]->row.at);
  }
}

}  // namespace domain_decide_test
