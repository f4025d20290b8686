#include "coffer/domain/replay.hpp"

#include <limits>

#include <fmt/format.h>

#include "support/catch.hpp"

namespace domain_replay_test {

using namespace coffer;
using namespace coffer::domain;

namespace {

constexpr user_id alice{1};
constexpr product_id potion{10};
constexpr product_id premium{20};

const replay::catalogue products = {{potion, product_type::consumable}, {premium, product_type::permanent}};

/// Books of one user: 100 credits in, two potions for 10 each bought and one used, premium for 50.
struct books {
  books() {
    journal.push_back(row(1, transaction_kind::deposit, 0, 100, 100));
    journal.push_back(row(2, transaction_kind::purchase, 2, 20, 80, potion, 2));
    journal.push_back(row(3, transaction_kind::use, 1, 0, 80, potion, 1));
    journal.push_back(row(4, transaction_kind::purchase, 1, 50, 30, premium, 1));
    journal.push_back(row(5, transaction_kind::purchase, 9, 90, 30, potion, 1));
    journal.back().status = transaction_status::failed;
    journal.back().has_reason = true;
    wallet = stored_wallet{alice, 30, 5};
    holdings = {{alice, potion, 1}, {alice, premium, 1}};
  }

  static journal_entry row(std::int64_t at, transaction_kind kind, std::int64_t quantity, std::int64_t amount,
                           std::int64_t balance_after, std::optional<product_id> product = std::nullopt,
                           std::optional<std::int64_t> owned = std::nullopt) {
    journal_entry r;
    r.user = alice;
    r.at = at;
    r.kind = kind;
    r.quantity = quantity;
    r.amount = amount;
    r.balance_after = balance_after;
    r.product = product;
    r.item_quantity_after = owned;
    return r;
  }

  /// "rule@version/product expected->found", one per line.
  std::string check() const {
    std::string found;
    replay all{products, [&](const book_violation& v) {
                 found += fmt::format("{}@{}/{} {}->{}\n", v.rule, v.at ? v.at->value : 0,
                                      v.product ? v.product->value : 0, v.expected, v.found);
               }};
    all.begin(alice, wallet);
    for (const auto& r : journal) {
      all.entry(r);
    }
    for (const auto& h : holdings) {
      all.holding(h);
    }
    all.end();
    return found;
  }

  std::vector<journal_entry> journal;
  std::optional<stored_wallet> wallet;
  std::vector<stored_holding> holdings;
};

}  // namespace

TEST_CASE("right books are found right") {
  CHECK(books{}.check() == "");
  books used_up;
  used_up.journal[2].quantity = 2;
  used_up.journal[2].item_quantity_after = used_up.journal[4].item_quantity_after = 0;
  used_up.holdings[0].quantity = 0;
  CHECK(used_up.check() == "");
  used_up.holdings.erase(used_up.holdings.begin());
  CHECK(used_up.check() == "");
}

TEST_CASE("a stored number that the journal does not give is found") {
  books b;
  SECTION("balance") {
    b.wallet->balance = 31;
    CHECK(b.check() == "balance_is_journal_sum@0/0 30->31\n");
  }
  SECTION("version") {
    b.wallet->at = 6;
    CHECK(b.check() == "versions_dense@0/0 5->6\n");
  }
  SECTION("quantity") {
    b.holdings[0].quantity = 2;
    CHECK(b.check() == "inventory_is_journal_sum@0/10 1->2\n");
  }
  SECTION("a line that is missing") {
    b.holdings.pop_back();
    CHECK(b.check() == "inventory_is_journal_sum@0/20 1->no line\n");
  }
  SECTION("a line of what was never bought") {
    b.journal.resize(1);
    b.wallet = stored_wallet{alice, 100, 1};
    b.holdings = {{alice, potion, 3}};
    CHECK(b.check() == "inventory_is_journal_sum@0/10 no line->3\n");
    b.holdings[0].quantity = 0;
    CHECK(b.check() == "inventory_is_journal_sum@0/10 no line->0\n");
  }
  SECTION("a time before that of an earlier version") {
    b.journal[1].created_at = timestamp{std::chrono::seconds{1}};
    CHECK(b.check() ==
          "times_rise_with_versions@3/0 not before 1970-01-01T00:00:01.000000Z->"
          "1970-01-01T00:00:00.000000Z\n");
  }
  SECTION("a kind and a reason that nobody knows") {
    b.journal[0].kind = static_cast<transaction_kind>(9);
    b.journal[4].knows_reason = false;
    const std::string found = b.check();
    CHECK(found.find("kind_is_known@1/0 a kind->9\n") != std::string::npos);
    CHECK(found.find("reason_is_known@5/10 an error code->another text\n") != std::string::npos);
  }
  SECTION("a negative balance") {
    b.wallet->balance = -1;
    CHECK(b.check() == "no_negative_balance@0/0 0 or more->-1\nbalance_is_journal_sum@0/0 30->-1\n");
  }
}

TEST_CASE("a journal that contradicts itself is found at the row") {
  books b;
  SECTION("balance_after") {
    b.journal[1].balance_after = 81;
    CHECK(b.check() == "balance_after_is_running_sum@2/0 80->81\n");
  }
  SECTION("item_quantity_after") {
    b.journal[4].item_quantity_after = 10;
    CHECK(b.check() == "item_quantity_after_is_running_sum@5/10 1->10\n");
    b.journal[4].item_quantity_after.reset();
    CHECK(b.check() == "item_quantity_after_is_running_sum@5/10 1->nothing\n");
  }
  SECTION("item_quantity_after without a product") {
    b.journal[0].item_quantity_after = 0;
    CHECK(b.check() == "item_quantity_after_is_running_sum@1/0 nothing->0\n");
  }
  SECTION("what a failed row leaves") {
    b.journal[4].balance_after = 20;
    CHECK(b.check() == "balance_after_is_running_sum@5/0 30->20\n");
  }
  SECTION("a failed row without a reason") {
    b.journal[4].has_reason = false;
    CHECK(b.check() == "reason_only_of_failed@5/10 a reason->none\n");
  }
  SECTION("a completed row with a reason") {
    b.journal[1].has_reason = true;
    CHECK(b.check() == "reason_only_of_failed@2/10 none->a reason\n");
  }
  SECTION("a purchase of nothing") {
    b.journal[4].product.reset();
    b.journal[4].item_quantity_after.reset();
    CHECK(b.check() == "product_exists@5/0 a product->none\n");
  }
  SECTION("a gap") {
    for (std::size_t i = 3; i < b.journal.size(); ++i) {
      ++b.journal[i].at;
    }
    b.wallet->at = 6;
    CHECK(b.check() == "versions_dense@5/0 4->5\n");
  }
  SECTION("a row that is pending") {
    b.journal[4].status = transaction_status::pending;
    b.journal[4].has_reason = false;
    CHECK(b.check() == "no_pending_transaction@5/10 completed or failed->pending\n");
  }
  SECTION("a product that does not exist") {
    b.journal[4].product = product_id{99};
    b.journal[4].item_quantity_after = 0;
    CHECK(b.check() == "product_exists@5/99 a product->none\n");
  }
}

TEST_CASE("what no rule of the shop allows is found even where all sums agree") {
  books b;
  SECTION("a permanent owned twice") {
    b.journal[4] = books::row(5, transaction_kind::purchase, 1, 20, 10, premium, 2);
    b.wallet = stored_wallet{alice, 10, 5};
    b.holdings[1].quantity = 2;
    CHECK(b.check() == "permanent_owned_once@5/20 1 at most->2\npermanent_owned_once@0/20 1 at most->2\n");
  }
  SECTION("credits spent before they came") {
    b.journal = {books::row(1, transaction_kind::purchase, 1, 10, -10, potion, 1),
                 books::row(2, transaction_kind::deposit, 0, 10, 0)};
    b.wallet = stored_wallet{alice, 0, 2};
    b.holdings = {{alice, potion, 1}};
    CHECK(b.check() == "no_negative_balance@1/0 0 or more->-10\n");
  }
  SECTION("units used before they came") {
    b.journal = {books::row(1, transaction_kind::use, 1, 0, 0, potion, -1)};
    b.wallet = stored_wallet{alice, 0, 1};
    b.holdings = {{alice, potion, -1}};
    CHECK(b.check() == "no_negative_quantity@1/10 0 or more->-1\n");
  }
  SECTION("a refund that leaves units with the user") {
    b.journal[4] = books::row(5, transaction_kind::refund, 2, 20, 50, potion, 0);
    b.journal[4].details = row_details::of_refund(version{2}, 1);
    b.wallet = stored_wallet{alice, 50, 5};
    b.holdings[0].quantity = 0;
    CHECK(b.check() == "");
    b.journal[4].details = row_details::of_refund(version{2}, 2);
    b.journal[4].item_quantity_after = b.holdings[0].quantity = 1;
    CHECK(b.check() == "refund_misses_what_was_used_up@5/10 1->2\n");
  }
  SECTION("a refund that takes more than it says") {
    b.journal[2] = books::row(3, transaction_kind::refund, 1, 10, 90, potion, 0);
    b.journal[2].details = row_details::of_refund(version{2}, -1);
    b.journal[3].balance_after = b.journal[4].balance_after = 40;
    b.journal[4].item_quantity_after = b.holdings[0].quantity = 0;
    b.wallet->balance = 40;
    CHECK(b.check() == "refund_misses_what_was_used_up@3/10 0->-1\n");
  }
  SECTION("a journal of nobody") {
    b.wallet.reset();
    CHECK(b.check() == "user_exists@0/0 a user->none\n");
  }
}

TEST_CASE("a sum that leaves 64 bits is a violation, even where the stored numbers repeat its end") {
  books b;
  const auto most = std::numeric_limits<std::int64_t>::max();
  b.journal = {books::row(1, transaction_kind::deposit, 0, most, most),
               books::row(2, transaction_kind::deposit, 0, most, most)};
  b.wallet = stored_wallet{alice, most, 2};
  b.holdings.clear();
  CHECK(b.check() == "balance_after_is_running_sum@2/0 a sum of 64 bits->more\n");
  b.journal = {books::row(1, transaction_kind::grant, most, 0, 0, potion, most),
               books::row(2, transaction_kind::grant, 1, 0, 0, potion, most)};
  b.wallet = stored_wallet{alice, 0, 2};
  b.holdings = {{alice, potion, most}};
  CHECK(b.check() == "item_quantity_after_is_running_sum@2/10 a sum of 64 bits->more\n");
}

}  // namespace domain_replay_test
