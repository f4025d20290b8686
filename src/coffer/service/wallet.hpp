// Changes of a user's wallet and possessions: commands on their way to the one write path.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "coffer/base/metrics.hpp"
#include "coffer/ledger/ledger.hpp"
#include "coffer/service/sold_out_memory.hpp"

namespace coffer::service {

/// Has commands decided. Every call ends with a verdict for each shortly after `until` at the latest: a journal row
/// (new or replayed), a refusal without one, or unavailable, overloaded, outcome_unknown.
class wallet {
 public:
  wallet(ledger::ledger& l, sold_out_memory& sold_out) : ledger_{l}, sold_out_{sold_out} {}

  /// One change. A purchase without a key of a product that is known to be sold out is refused at once: nobody can ask
  /// for that answer again, so it needs no journal row.
  net::task<domain::verdict> run(domain::command c, net::deadline until) {
    if (is_known_sold_out(c)) {
      answered_sold_out_.add();
      co_return std::unexpected(domain::sold_out(c.quantity, 0));
    }
    const subject about{c};
    const std::uint64_t seen = sold_out_.changes();
    domain::verdict decided = co_await ledger_.submit(std::move(c), until);
    learn(about, decided, seen);
    co_return decided;
  }

  /// Several changes of one user, decided in this order; with `atomic` all of them happen or none. What is known to be
  /// sold out is refused as by itself: one such purchase refuses an atomic batch.
  net::task<std::vector<domain::verdict>> run(std::vector<domain::command> commands, bool atomic, net::deadline until) {
    std::vector<domain::verdict> decided(commands.size(), std::unexpected(error{errc::not_executed}));
    std::vector<std::size_t> places;  // of the commands that are left
    std::vector<subject> about;
    std::vector<domain::command> left;
    bool refused = false;
    for (std::size_t i = 0; i < commands.size(); ++i) {
      // A refund in front of it may put a piece back.
      const auto given_back = [&](const subject& before) {
        return before.kind == domain::transaction_kind::refund && before.product == commands[i].product;
      };
      if (is_known_sold_out(commands[i]) && std::none_of(about.begin(), about.end(), given_back)) {
        answered_sold_out_.add();
        decided[i] = std::unexpected(domain::sold_out(commands[i].quantity, 0));
        refused = true;
        if (atomic) {
          break;
        }
        continue;
      }
      places.push_back(i);
      about.emplace_back(commands[i]);
      left.push_back(std::move(commands[i]));
    }
    if (left.empty() || (atomic && refused)) {
      co_return decided;
    }
    const std::uint64_t seen = sold_out_.changes();
    std::vector<domain::verdict> verdicts = co_await ledger_.submit_all(std::move(left), atomic, until);
    for (std::size_t i = 0; i < verdicts.size(); ++i) {
      // What an atomic batch finds sold out, it may have taken itself, and given back.
      const bool took_itself = atomic && std::any_of(about.begin(), about.begin() + static_cast<std::ptrdiff_t>(i),
                                                     [&](const subject& before) { return before == about[i]; });
      if (!took_itself) {
        learn(about[i], verdicts[i], seen);
      }
      decided[places[i]] = std::move(verdicts[i]);
    }
    co_return decided;
  }

 private:
  /// What is to be known of a command when its verdict is there.
  struct subject {
    explicit subject(const domain::command& c) : kind{c.kind}, product{c.product} {}
    domain::transaction_kind kind;
    std::optional<product_id> product;
    bool operator==(const subject&) const = default;
  };

  [[nodiscard]] bool is_known_sold_out(const domain::command& c) const {
    return c.kind == domain::transaction_kind::purchase && c.idempotency_key.empty() && c.product &&
           sold_out_.contains(*c.product, sold_out_memory::clock::now());
  }

  /// `seen`: the memory's changes before the command was submitted.
  void learn(const subject& about, const domain::verdict& decided, std::uint64_t seen) {
    if (!about.product) {
      return;
    }
    if (about.kind == domain::transaction_kind::refund) {
      sold_out_.forget(*about.product);  // a piece may be for sale again
    } else if (about.kind == domain::transaction_kind::purchase && decided && !decided->replayed &&
               decided->row.reason == errc::sold_out && decided->row.details.units_left() == 0) {
      sold_out_.remember(*about.product, seen, sold_out_memory::clock::now());
    }
  }

  ledger::ledger& ledger_;
  sold_out_memory& sold_out_;
  metrics::counter answered_sold_out_ = metrics::make_counter(
      "coffer_sold_out_answers_total", "Purchases of sold-out products refused without asking the database");
};

}  // namespace coffer::service
