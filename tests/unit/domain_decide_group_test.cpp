// Atomic groups: all commands happen, or none.
#include "coffer/domain/decide.hpp"

#include <ctime>

#include "support/catch.hpp"

namespace domain_decide_group_test {

using namespace coffer;
using namespace coffer::domain;

namespace {

constexpr user_id alice{1};
constexpr product_id potion{10};
constexpr product_id premium{20};

fingerprint print_of(int c) {
  fingerprint p{};
  p.fill(static_cast<std::byte>(c));
  return p;
}

/// Alice with 1000 credits and two potions, and a group of commands.
class group {
 public:
  group() {
    state.wallets = {{.user = alice, .balance = {1000}, .at = {5}}};
    state.products = {{.id = potion, .price = {100}, .type = product_type::consumable, .is_active = true},
                      {.id = premium, .price = {500}, .type = product_type::permanent, .is_active = true}};
    state.holdings = {{.user = alice, .product = potion, .quantity = 2, .purchased_at = {}, .stored = true}};
    state.time = timestamp{std::chrono::seconds{1000}};
  }

  group& deposit(std::int64_t amount, const std::string& key = "") {
    add(transaction_kind::deposit, key).amount = {amount};
    return *this;
  }
  group& buy(product_id product, std::int64_t quantity = 1, const std::string& key = "") {
    command& c = add(transaction_kind::purchase, key);
    c.product = product;
    c.quantity = quantity;
    return *this;
  }
  group& use(std::int64_t quantity, const std::string& key = "") {
    command& c = add(transaction_kind::use, key);
    c.product = potion;
    c.quantity = quantity;
    return *this;
  }

  group& take(std::int64_t quantity) {
    command& c = add(transaction_kind::grant, "");
    c.product = potion;
    c.quantity = -quantity;
    return *this;
  }
  /// Of a purchase of five potions for 500.
  group& refund(std::int64_t quantity, bool force = false) {
    command& c = add(transaction_kind::refund, "");
    c.product = potion;
    c.purchase = {.at = version{3}, .quantity = 5, .amount = {500}, .from_stock = false};
    c.quantity = quantity;
    c.force = force;
    return *this;
  }

  /// Decides the commands as one group, with `around` single purchases of a potion before and behind it.
  void decide_all(std::size_t around = 0) {
    commands.front().together = commands.size();
    command single;
    single.user = alice;
    single.product = potion;
    single.request_id = "single";
    const std::vector<command> singles(around, single);
    std::vector<const command*> list;
    for (const command& c : singles) {
      list.push_back(&c);
    }
    for (const command& c : commands) {
      list.push_back(&c);
    }
    for (const command& c : singles) {
      list.push_back(&c);
    }
    effects = decide(list, state);
    REQUIRE(effects.verdicts.size() == list.size());
  }

  const transaction& row(std::size_t i) const {
    REQUIRE(effects.verdicts.at(i).has_value());
    return effects.verdicts[i]->row;
  }
  errc refusal(std::size_t i) const {
    REQUIRE(!effects.verdicts.at(i).has_value());
    return effects.verdicts[i].error().code;
  }
  /// The numbers that the refusal of command `i` shows, and how many potions its row says there are.
  std::vector<std::int64_t> shown(std::size_t i, errc why) const {
    const error refusal = refusal_of(row(i)).value();
    CHECK(refusal.code == why);
    std::vector<std::int64_t> all;
    for (const error::number& n : refusal.numbers) {
      if (!n.name.empty()) {
        all.push_back(n.value);
      }
    }
    if (row(i).product) {
      CHECK(row(i).item_quantity_after == 2);
      CHECK(row(i).quantity > 0);
    }
    return all;
  }
  std::int64_t potions() { return state.holding_of(alice, potion).quantity; }

  batch_state state;
  std::vector<command> commands;
  batch_effects effects;

 private:
  command& add(transaction_kind kind, const std::string& key) {
    command& c = commands.emplace_back();
    c.kind = kind;
    c.user = alice;
    c.idempotency_key = key;
    c.print = print_of(static_cast<int>(commands.size()));
    c.request_id = "batch";
    return c;
  }
};

/// Groups of two commands each, every group of another user.
struct many_groups {
  explicit many_groups(std::int64_t count) {
    for (std::int64_t i = 1; i <= count; ++i) {
      state.wallets.push_back({.user = user_id{i}, .balance = {1000}, .at = {5}});
      for (const std::int64_t amount : {7, 8}) {
        command& c = commands.emplace_back();
        c.kind = transaction_kind::deposit;
        c.user = user_id{i};
        c.amount = {amount};
        c.request_id = "a request's id that does not fit into a small string";
      }
    }
  }

  /// Seconds of this thread to decide all, as groups of `together`.
  double decide_in(std::size_t together) {
    std::vector<const command*> list;
    for (std::size_t i = 0; i < commands.size(); ++i) {
      commands[i].together = i % together == 0 ? together : 1;
      list.push_back(&commands[i]);
    }
    batch_state fresh = state;
    const double before = cpu_seconds();
    const batch_effects effects = decide(list, fresh);
    const double after = cpu_seconds();
    CHECK(effects.new_rows.size() == commands.size());
    return after - before;
  }

  static double cpu_seconds() {
    std::timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
  }

  batch_state state;
  std::vector<command> commands;
};

}  // namespace

TEST_CASE("a group without a refusal is decided like its commands one by one") {
  group g;
  g.deposit(500, "a").buy(premium, 1, "b").use(2, "c").decide_all();
  CHECK(g.effects.new_rows == std::vector<std::size_t>{0, 1, 2});
  CHECK(g.row(0).at.value == 6);
  CHECK(g.row(2).at.value == 8);
  CHECK(g.row(2).balance_after.value == 1000);
  CHECK(g.potions() == 0);
}

TEST_CASE("a refused command of a group is the only row, and nothing else has happened") {
  group g;
  g.buy(potion, 3).use(1).buy(premium, 2).decide_all();
  CHECK(g.refusal(0) == errc::not_executed);
  CHECK(g.refusal(1) == errc::not_executed);
  CHECK(g.refusal(2) == errc::validation_failed);
  CHECK(g.effects.new_rows.empty());

  group h;
  h.buy(potion, 3).buy(premium).buy(potion, 9, "k").use(1).decide_all();
  CHECK(h.refusal(0) == errc::not_executed);
  CHECK(h.refusal(1) == errc::not_executed);
  CHECK(h.refusal(3) == errc::not_executed);
  const transaction& row = h.row(2);
  CHECK(row.reason == errc::insufficient_funds);
  CHECK(row.at.value == 6);
  CHECK(row.balance_after.value == 1000);
  CHECK(row.item_quantity_after == 2);
  CHECK(row.amount.value == 900);
  CHECK(row.quantity == 9);
  CHECK(row.idempotency_key == "k");
  CHECK(h.effects.new_rows == std::vector<std::size_t>{2});
  CHECK(h.effects.sales.empty());
  CHECK(h.state.wallets[0].balance.value == 1000);
  CHECK(h.state.wallets[0].at.value == 6);
  CHECK(h.potions() == 2);
}

TEST_CASE("a refused group shows what was asked for and what was there for it, also behind a deposit") {
  group g;
  g.deposit(200).buy(potion, 20).decide_all();
  CHECK(g.shown(1, errc::insufficient_funds) == std::vector<std::int64_t>{2000, 1200});
  CHECK(g.row(1).amount.value == 2000);
  CHECK(g.row(1).balance_after.value == 1000);
  group alone;
  alone.buy(potion, 20).decide_all();
  CHECK(alone.shown(0, errc::insufficient_funds) == std::vector<std::int64_t>{2000, 1000});
  CHECK(!alone.row(0).details.there());
}

using numbers = std::vector<std::int64_t>;

TEST_CASE("a refused group shows the items that were asked for and those that its commands before had left") {
  group used;
  used.use(1).use(2).decide_all();
  CHECK(used.shown(1, errc::not_enough_items) == numbers{2, 1});
  group bought;
  bought.buy(potion, 1).use(4).decide_all();
  CHECK(bought.shown(1, errc::not_enough_items) == numbers{4, 3});
  group taken;
  taken.take(1).use(1).take(1).decide_all();
  CHECK(taken.shown(2, errc::not_enough_items) == numbers{1, 0});
  CHECK(takes_away(taken.row(2)));
}

TEST_CASE("a buyer's limit is shown with what a refused group had bought before") {
  group g;
  g.state.products[0].per_user_limit = 5;
  g.state.holdings[0].bought = 1;
  g.buy(potion, 3).buy(potion, 2).decide_all();
  CHECK(g.shown(1, errc::limit_reached) == numbers{5, 4, 2});
  group given_back;
  given_back.state.products[0].per_user_limit = 5;
  given_back.state.holdings[0].bought = 5;
  given_back.refund(2).buy(potion, 4).decide_all();
  CHECK(given_back.shown(1, errc::limit_reached) == numbers{5, 3, 4});
}

TEST_CASE("who is beyond a limit that was lowered is shown what was asked for") {
  group g;
  g.state.products[0].per_user_limit = 2;
  g.state.holdings[0].bought = 9;
  g.refund(2).buy(potion, 1).decide_all();
  CHECK(g.shown(1, errc::limit_reached) == numbers{2, 7, 1});
}

TEST_CASE("a stock is shown with what a refused group had bought before") {
  group g;
  g.state.products[0].is_limited = true;
  g.state.stocks = {{.product = potion, .supply = 10, .sold = 5}};
  g.buy(potion, 4).buy(potion, 3).decide_all();
  CHECK(g.shown(1, errc::sold_out) == numbers{3, 1});
  CHECK(g.state.stocks[0].remaining() == 5);
}

TEST_CASE("what could be refunded is shown with what a refused group had used before") {
  group used;
  used.use(1).refund(2).decide_all();
  CHECK(used.shown(1, errc::not_refundable) == numbers{2, 1});
  group all;
  all.use(2).refund(0).decide_all();
  CHECK(all.shown(1, errc::not_refundable) == numbers{5, 0});
  group forced;
  forced.refund(2).refund(4, true).decide_all();
  CHECK(forced.shown(1, errc::not_refundable) == numbers{4, 3});
  CHECK(forced.row(1).details.refunded() == 3);
}

TEST_CASE("a full wallet is shown with what a refused group had deposited before") {
  group g;
  g.state.wallets[0].balance = {max_credits.value - 10};
  g.deposit(4).deposit(7).decide_all();
  CHECK(g.shown(1, errc::balance_limit_exceeded) == numbers{max_credits.value - 6, max_credits.value});
  CHECK(g.row(1).amount.value == 7);
}

TEST_CASE("a refusal in a group is replayed with the same numbers") {
  group first;
  first.use(1, "a").use(2, "b").decide_all();
  group again;
  again.state.holdings[0].quantity = 50;
  again.state.keyed = {first.row(1)};
  again.use(1, "a").use(2, "b").decide_all();
  CHECK(again.effects.verdicts[1]->replayed);
  CHECK(again.shown(1, errc::not_enough_items) == first.shown(1, errc::not_enough_items));
}

TEST_CASE("commands around a refused group are decided as if it had not been there") {
  group g;
  g.buy(potion, 4).buy(potion, 9).decide_all(2);
  CHECK(g.row(0).balance_after.value == 900);
  CHECK(g.row(1).balance_after.value == 800);
  CHECK(g.refusal(2) == errc::not_executed);
  CHECK(g.row(3).at.value == 8);
  CHECK(g.row(3).balance_after.value == 800);
  CHECK(g.row(4).at.value == 9);
  CHECK(g.row(5).at.value == 10);
  CHECK(g.row(5).balance_after.value == 600);
  CHECK(g.potions() == 6);
  CHECK(g.effects.new_rows == std::vector<std::size_t>{0, 1, 3, 4, 5});
  REQUIRE(g.effects.sales.size() == 1);
  CHECK(g.effects.sales[0].units == 4);
}

TEST_CASE("a group that was refused is refused again by its key, whatever the wallet holds now") {
  group first;
  first.buy(potion, 3, "a").buy(potion, 9, "b").decide_all();
  group again;
  again.state.wallets[0].balance = {1'000'000};
  again.state.keyed = {first.row(1)};
  again.buy(potion, 3, "a").buy(potion, 9, "b").decide_all();
  CHECK(again.refusal(0) == errc::not_executed);
  CHECK(again.effects.verdicts[1]->replayed);
  CHECK(again.row(1).reason == errc::insufficient_funds);
  CHECK(again.effects.new_rows.empty());
  CHECK(again.state.wallets[0].balance.value == 1'000'000);
}

TEST_CASE("a group that happened is replayed by its keys") {
  group first;
  first.buy(potion, 3, "a").use(1, "b").decide_all();
  group again;
  again.state.keyed = {first.row(0), first.row(1)};
  again.buy(potion, 3, "a").use(1, "b").decide_all();
  CHECK(again.effects.verdicts[0]->replayed);
  CHECK(again.row(1).at == first.row(1).at);
  CHECK(again.effects.new_rows.empty());
  CHECK_FALSE(again.state.wallets[0].changed);
}

TEST_CASE("a key of another request stops the whole group without a row") {
  group g;
  transaction earlier;
  earlier.user = alice;
  earlier.idempotency_key = "b";
  earlier.print = print_of(99);
  g.state.keyed = {earlier};
  g.buy(potion, 3, "a").buy(potion, 1, "b").decide_all();
  CHECK(g.refusal(0) == errc::not_executed);
  CHECK(g.refusal(1) == errc::idempotency_key_reused);
  CHECK(g.effects.new_rows.empty());

  group twice;
  twice.buy(potion, 1, "a").buy(potion, 2, "a").decide_all();
  CHECK(twice.refusal(1) == errc::idempotency_key_reused);
  CHECK(twice.potions() == 2);
  CHECK(twice.effects.new_rows.empty());
}

TEST_CASE("a refused group leaves stocks, refunds and sales as they were") {
  group g;
  g.state.products[0].is_limited = true;
  g.state.stocks = {{.product = potion, .supply = 10, .sold = 6}};
  g.state.refunds = {{.user = alice, .purchase = version{3}, .units = 1}};
  g.deposit(5).buy(potion).refund(1).buy(potion).use(1).buy(premium).buy(premium).decide_all(1);
  CHECK(g.refusal(1) == errc::not_executed);
  CHECK(g.row(7).reason == errc::already_owned);
  CHECK(g.effects.new_rows == std::vector<std::size_t>{0, 7, 8});
  CHECK(g.state.stocks[0].sold == 8);
  CHECK(g.state.stocks[0].supply == 10);
  CHECK(g.state.refunds.size() == 1);
  CHECK(g.state.refunds[0].units == 1);
  CHECK_FALSE(g.state.refunds[0].changed);
  CHECK(g.potions() == 4);
  CHECK(g.state.wallets[0].balance.value == 800);
  CHECK(g.state.wallets[0].at.value == 8);
  REQUIRE(g.effects.sales.size() == 1);
  CHECK(g.effects.sales[0].purchases == 2);
  CHECK(g.effects.sales[0].revenue == 200);
  CHECK(g.effects.refunded_sales.empty());
}

TEST_CASE("a group costs what its commands cost, however large its batch is") {
  many_groups all{512};
  double alone = 1e9;
  double grouped = 1e9;
  for (int i = 0; i < 5; ++i) {
    alone = std::min(alone, all.decide_in(1));
    grouped = std::min(grouped, all.decide_in(2));
  }
  INFO("one by one " << alone * 1e6 << " us, as groups of two " << grouped * 1e6 << " us");
  CHECK(grouped < 5 * alone);
}

}  // namespace domain_decide_group_test
