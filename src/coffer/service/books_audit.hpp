// Proves that the books of a database are right, or shows where they are not. Knows no output format.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string_view>
#include <vector>

#include "coffer/base/clock.hpp"
#include "coffer/store/books_store.hpp"

namespace coffer::service {

/// What one rule found. Only the first examples are kept.
struct rule_findings {
  std::int64_t count = 0;
  std::vector<domain::book_violation> examples;
};

/// The outcome of an audit.
struct audit_report {
  static constexpr std::size_t max_examples = 10;  ///< per rule

  std::map<std::string_view, rule_findings> rules;  ///< every rule that was checked, by name
  std::int64_t users = 0;
  std::int64_t transactions = 0;
  std::int64_t holdings = 0;
  std::int64_t products = 0;

  [[nodiscard]] std::int64_t violations() const noexcept;
};

namespace detail {

/// Of users with more rows than this all but the newest are replayed before the snapshot that they are compared in.
inline constexpr std::int64_t long_journal = store::books_page;

/// How often a range is read that a standby's recovery, or a conflict, cuts short.
inline constexpr int most_attempts = 10;

/// A table read page by page; the row at the front is the next one.
template <typename Row>
class page_stream {
 public:
  using page_reader = net::task<std::vector<Row>> (*)(pg::connection&, store::user_range, std::optional<Row>,
                                                      net::deadline);

  page_stream(pg::connection& db, store::user_range users, std::optional<Row> behind, page_reader read)
      : db_{db}, users_{users}, behind_{std::move(behind)}, read_{read} {}

  /// Whether refill() must be called before front() tells anything.
  [[nodiscard]] bool must_refill() const noexcept { return next_ == page_.size() && !ended_; }

  net::task<> refill(net::deadline until) {
    page_ = co_await read_(db_, users_, behind_, until);
    next_ = 0;
    ended_ = page_.size() < static_cast<std::size_t>(store::books_page);
    if (!page_.empty()) {
      behind_ = page_.back();
    }
  }

  /// nullptr at the end.
  [[nodiscard]] const Row* front() const noexcept { return next_ < page_.size() ? &page_[next_] : nullptr; }
  [[nodiscard]] const std::vector<Row>& page() const noexcept { return page_; }
  void pop() noexcept { ++next_; }

 private:
  pg::connection& db_;
  store::user_range users_;
  std::optional<Row> behind_;
  page_reader read_;
  std::vector<Row> page_;
  std::size_t next_ = 0;
  bool ended_ = false;
};

using journal_stream = page_stream<domain::journal_entry>;
using holding_stream = page_stream<domain::stored_holding>;

inline void note(audit_report& report, domain::book_violation found) {
  rule_findings& rule = report.rules[found.rule];
  ++rule.count;
  if (rule.examples.size() < audit_report::max_examples) {
    rule.examples.push_back(std::move(found));
  }
}

inline void note_all(audit_report& report, std::string_view which, store::table_findings found) {
  rule_findings& rule = report.rules[which];
  rule.count += found.count;
  for (domain::book_violation& each : found.examples) {
    if (rule.examples.size() < audit_report::max_examples) {
      rule.examples.push_back(std::move(each));
    }
  }
}

/// Every rule, so that the ones that hold are named too.
inline constexpr std::string_view user_rules[] = {
    domain::rule::balance,
    domain::rule::balance_after,
    domain::rule::no_negative_balance,
    domain::rule::versions,
    domain::rule::times,
    domain::rule::inventory,
    domain::rule::item_quantity_after,
    domain::rule::no_negative_quantity,
    domain::rule::permanent_once,
    domain::rule::bought,
    domain::rule::missing,
    domain::rule::reason,
    domain::rule::known_reason,
    domain::rule::fingerprint,
    domain::rule::known_kind,
    domain::rule::no_pending,
    domain::rule::user_exists,
    domain::rule::product_exists,
    store::rule::usernames,
    store::rule::emails,
    store::rule::refunds,
    store::rule::keys,
};

/// Of those, the ones that compare tables.
inline constexpr std::string_view range_rules[] = {store::rule::usernames, store::rule::emails, store::rule::refunds,
                                                   store::rule::keys};
inline constexpr std::string_view hour_rules[] = {store::rule::sales_counters, store::rule::refunded_sales};

/// Of those that do not tell whose purchases they count, or have rows of many users.
inline constexpr std::string_view whole_rules[] = {
    store::rule::sales_counters, store::rule::refunded_sales,  store::rule::stocks,        store::rule::event_versions,
    store::rule::event_order,    store::rule::event_positions, store::rule::webhook_places};

/// Proves that purchases took the units 1..sold of a stock, each once, in whatever order they are read. A purchase is
/// an edge from the units sold before it to those sold after it. Edges that only go up, of which as many end in each
/// point as begin in it but for one that begins in 0 and one that ends in `sold`, are one path from 0 to `sold`. Ends
/// and beginnings are added up as random numbers of the points: other sets have the same sum once in 2^64.
class tiling {
 public:
  tiling(std::uint64_t seed, std::int64_t sold) : seed_{seed}, sold_{sold} {}

  /// Purchases behind `sold` came later and are left out.
  void add(std::int64_t before, std::int64_t after) {
    if (after <= sold_) {
      sum_ += mixed(after) - mixed(before);
    }
  }
  void add(const tiling& other) { sum_ += other.sum_; }
  [[nodiscard]] bool is_whole() const { return sum_ == mixed(sold_) - mixed(0); }
  [[nodiscard]] std::int64_t sold() const noexcept { return sold_; }
  [[nodiscard]] tiling empty() const { return {seed_, sold_}; }

 private:
  /// SplitMix64's output function.
  [[nodiscard]] std::uint64_t mixed(std::int64_t point) const {
    std::uint64_t z = seed_ + static_cast<std::uint64_t>(point) * 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
  }

  std::uint64_t seed_;
  std::int64_t sold_;
  std::uint64_t sum_ = 0;
};

/// What was found in one range of users. Kept apart until the range has been read to its end.
struct range_findings {
  audit_report report;
  std::map<product_id, tiling> pieces;
  std::set<product_id> sold_without_stock;
};

/// The users of the next snapshot.
struct next_range {
  store::user_range users;
  std::optional<domain::stored_wallet> long_one;  ///< the only user, with a long journal
  bool is_last = false;
};

class auditor {
 public:
  auditor(pg::connection& db, store::user_range users, std::chrono::milliseconds page_time,
          std::function<void(std::int64_t)> progress)
      : db_{db}, users_{users}, page_time_{page_time}, progress_{std::move(progress)} {}

  net::task<audit_report> run() {
    for (const std::string_view each : user_rules) {
      report_.rules.try_emplace(each);
    }
    const bool everybody = users_ == store::user_range{};
    const auto beginning = [this] { return read_beginning(); };
    co_await attempt(beginning);
    for (std::int64_t first = users_.first;;) {
      next_range range;
      const auto choosing = [&] { return choose(first, &range); };
      co_await attempt(choosing);
      range_findings found;
      const auto reading = [&] {
        found = range_findings{};
        return read_range(&range, &found);
      };
      co_await attempt(reading);
      merge(std::move(found));
      if (progress_) {
        progress_(report_.transactions);
      }
      if (range.is_last) {
        break;
      }
      first = range.users.last + 1;
    }
    if (everybody) {
      for (const std::string_view each : whole_rules) {
        report_.rules.try_emplace(each);
      }
      co_await check_directory(store::rule::usernames);
      co_await check_directory(store::rule::emails);
      co_await check_hours();
      co_await check_stocks();
      co_await check_events();
    }
    report_.products = static_cast<std::int64_t>(products_.size());
    co_return std::move(report_);
  }

 private:
  [[nodiscard]] net::deadline soon() const { return net::deadline_in(page_time_); }
  [[nodiscard]] net::deadline later() const { return net::deadline_in(page_time_ * 10); }

  /// Runs work that can be begun anew until nothing cuts it short.
  template <typename Work>
  net::task<> attempt(Work work) {
    for (int count = 1;; ++count) {
      std::optional<pg::error> failure;
      try {
        co_await work();
        co_return;
      } catch (const pg::error& e) {
        failure.emplace(e);
      }
      if (!failure->connection_usable() || !pg::is_conflict(failure->state()) || count == most_attempts) {
        throw pg::error{*failure};
      }
      if (db_.state() != pg::transaction_state::idle) {
        const pg::rows ended = co_await db_.execute("rollback", soon());
      }
    }
  }

  /// The catalogue, and the stocks as they are now: what was sold up to here is settled.
  net::task<> read_beginning() {
    co_await store::begin_snapshot(db_, soon());
    products_ = co_await store::read_catalogue(db_, soon());
    stocks_ = co_await store::read_stocks(db_, soon());
    co_await store::end_snapshot(db_, soon());
    pieces_.clear();
    std::random_device device;
    const std::uint64_t seed = std::uint64_t{device()} << 32U | device();
    for (const store::stored_stock& each : stocks_) {
      pieces_.emplace(each.product, tiling{seed, each.sold});
    }
  }

  /// As many users from `first` on as have a page of rows together. Their versions say how many rows they have.
  net::task<> choose(std::int64_t first, next_range* chosen) {
    *chosen = next_range{};
    chosen->users = {first, users_.last};
    const std::vector<domain::stored_wallet> wallets =
        co_await store::read_wallets(db_, chosen->users, std::nullopt, soon());
    std::int64_t rows = 0;
    for (std::size_t i = 0; i < wallets.size(); ++i) {
      const domain::stored_wallet& each = wallets[i];
      if (each.at > long_journal) {
        // Alone; whatever lies before it comes first.
        const bool alone = each.user.value == first;
        chosen->users.last = alone ? first : each.user.value - 1;
        chosen->long_one = alone ? std::optional{each} : std::nullopt;
        chosen->is_last = alone && first == users_.last;
        co_return;
      }
      rows += std::max(each.at, std::int64_t{0});
      if (rows > store::books_page && i > 0) {
        chosen->users.last = wallets[i - 1].user.value;
        co_return;
      }
    }
    if (wallets.size() == static_cast<std::size_t>(store::wallets_page)) {
      chosen->users.last = wallets.back().user.value;
      chosen->is_last = chosen->users.last == users_.last;
      co_return;
    }
    chosen->is_last = true;
  }

  /// Reads what these rows are about and is not known yet: products are made while the books are read.
  template <typename Row>
  net::task<> learn_products(const std::vector<Row>* page) {
    std::vector<std::int64_t> unknown;
    const auto look = [&](const std::optional<product_id>& product) {
      if (product && !products_.contains(*product)) {
        unknown.push_back(product->value);
      }
    };
    for (const Row& each : *page) {
      look(each.product);
    }
    if (!unknown.empty()) {
      std::ranges::sort(unknown);
      unknown.erase(std::ranges::unique(unknown).begin(), unknown.end());
      co_await store::add_to_catalogue(db_, std::move(unknown), &products_, soon());
    }
  }

  net::task<> refill(journal_stream* rows) {
    co_await rows->refill(soon());
    co_await learn_products(&rows->page());
  }
  net::task<> refill(holding_stream* rows) {
    co_await rows->refill(soon());
    co_await learn_products(&rows->page());
  }

  void take(domain::replay& books, const domain::journal_entry& row, range_findings& into) {
    books.entry(row);
    ++into.report.transactions;
    const bool bought =
        row.kind == domain::transaction_kind::purchase && row.status == domain::transaction_status::completed;
    if (!bought || !row.product || !row.details.units_sold()) {
      return;
    }
    const auto stock = pieces_.find(*row.product);
    if (stock == pieces_.end()) {
      into.sold_without_stock.insert(*row.product);
      return;
    }
    into.pieces.try_emplace(*row.product, stock->second.empty())
        .first->second.add(*row.details.units_sold() - row.quantity, *row.details.units_sold());
  }

  /// The rows of a long journal, each page in a moment of its own: rows never change. Gives the last one.
  net::task<std::optional<domain::journal_entry>> replay_ahead(domain::replay* books, store::user_range users,
                                                               range_findings* into) {
    std::optional<domain::journal_entry> behind;
    for (bool more = true; more;) {
      const std::vector<domain::journal_entry> page = co_await store::read_journal(db_, users, behind, soon());
      co_await learn_products(&page);
      for (const domain::journal_entry& row : page) {
        take(*books, row, *into);
      }
      if (!page.empty()) {
        behind = page.back();
      }
      more = page.size() == static_cast<std::size_t>(store::books_page);
      if (progress_) {
        progress_(report_.transactions + into->report.transactions);
      }
    }
    co_return behind;
  }

  net::task<> read_range(next_range* range, range_findings* into) {
    domain::replay books{products_, [into](domain::book_violation found) { note(into->report, std::move(found)); },
                         true};
    std::optional<domain::journal_entry> behind;
    if (range->long_one) {
      books.begin(range->long_one->user, range->long_one);
      behind = co_await replay_ahead(&books, range->users, into);
    }
    co_await store::begin_snapshot(db_, soon());
    const std::vector<domain::stored_wallet> wallets =
        co_await store::read_wallets(db_, range->users, std::nullopt, soon());
    if (wallets.size() == static_cast<std::size_t>(store::wallets_page) &&
        wallets.back().user.value < range->users.last) {
      // More users have come since the range was chosen.
      range->users.last = wallets.back().user.value;
      range->is_last = false;
    }
    journal_stream journal{db_, range->users, behind, store::read_journal};
    holding_stream holdings{db_, range->users, std::nullopt, store::read_holdings};
    co_await refill(&journal);
    co_await refill(&holdings);
    bool begun = range->long_one.has_value();
    for (std::size_t next = 0;;) {
      std::optional<user_id> user;
      const auto look = [&user](const auto* row) {
        if (row != nullptr && (!user || row->user < *user)) {
          user = row->user;
        }
      };
      look(next < wallets.size() ? &wallets[next] : nullptr);
      look(journal.front());
      look(holdings.front());
      if (begun) {
        user = range->long_one->user;
      }
      if (!user) {
        break;
      }
      std::optional<domain::stored_wallet> stored;
      if (next < wallets.size() && wallets[next].user == *user) {
        stored = wallets[next++];
        ++into->report.users;
      }
      if (begun) {
        books.restate(stored);
        begun = false;
      } else {
        books.begin(*user, stored);
      }
      while (journal.front() != nullptr && journal.front()->user == *user) {
        take(books, *journal.front(), *into);
        journal.pop();
        if (journal.must_refill()) {
          co_await refill(&journal);
        }
      }
      while (holdings.front() != nullptr && holdings.front()->user == *user) {
        books.holding(*holdings.front());
        ++into->report.holdings;
        holdings.pop();
        if (holdings.must_refill()) {
          co_await refill(&holdings);
        }
      }
      books.end();
    }
    for (const std::string_view which : range_rules) {
      store::table_findings found = co_await store::compare_users(db_, which, range->users, later());
      note_all(into->report, which, std::move(found));
    }
    co_await store::end_snapshot(db_, soon());
  }

  void merge(range_findings found) {
    report_.users += found.report.users;
    report_.transactions += found.report.transactions;
    report_.holdings += found.report.holdings;
    for (auto& [name, rule] : found.report.rules) {
      note_all(report_, name, {rule.count, std::move(rule.examples)});
    }
    for (const auto& [product, part] : found.pieces) {
      pieces_.at(product).add(part);
    }
    sold_without_stock_.merge(found.sold_without_stock);
  }

  net::task<> check_directory(std::string_view which) {
    std::string behind;
    for (bool more = true; more;) {
      std::optional<store::table_findings> found;
      std::string end;
      const auto reading = [&] {
        end = behind;
        return read_directory(which, &end, &found);
      };
      co_await attempt(reading);
      behind = end;
      more = found.has_value();
      if (more) {
        note_all(report_, which, *std::move(found));
      }
    }
  }

  net::task<> read_directory(std::string_view which, std::string* end, std::optional<store::table_findings>* into) {
    *into = co_await store::compare_directory(db_, which, end, later());
  }

  /// Counters and journal, a day at a time: each day in one statement, and so as of one moment.
  net::task<> check_hours() {
    std::optional<store::time_range> counted;
    const auto asking = [&] { return read_hours(&counted); };
    co_await attempt(asking);
    timestamp first = timestamp::min();
    timestamp next = std::chrono::floor<std::chrono::days>(counted ? counted->first : now());
    const timestamp last = counted ? counted->end : next;
    for (;;) {
      const bool is_last = next > last;
      const store::time_range day{first, is_last ? timestamp::max() : next};
      for (const std::string_view which : hour_rules) {
        store::table_findings found;
        const auto comparing = [&] { return compare_day(which, day, &found); };
        co_await attempt(comparing);
        note_all(report_, which, std::move(found));
      }
      if (is_last) {
        break;
      }
      first = next;
      next += std::chrono::days{1};
    }
  }

  net::task<> read_hours(std::optional<store::time_range>* into) {
    *into = co_await store::read_sales_hours(db_, soon());
  }
  net::task<> compare_day(std::string_view which, store::time_range day, store::table_findings* into) {
    // Counters of a day are folded a day after the best sellers have stopped reaching back to it, by another clock.
    const bool may_be_folded = day.end <= now() - std::chrono::days{7};
    *into = co_await store::compare_sales(db_, which, day, may_be_folded, later());
  }

  /// What was sold of each stock when the books were opened, against the purchases up to there.
  net::task<> check_stocks() {
    for (const store::stored_stock& each : stocks_) {
      if (each.sold < 0 || (each.supply && each.sold > *each.supply)) {
        note_stock(each.product, each.supply ? "0.." + std::to_string(*each.supply) + " sold" : "0 or more sold",
                   std::to_string(each.sold));
      } else if (!pieces_.at(each.product).is_whole()) {
        domain::book_violation gap;
        const auto looking = [&] { return read_gap(&each, &gap); };
        co_await attempt(looking);
        gap.rule = store::rule::stocks;
        if (gap.expected.empty()) {
          gap.expected = "purchases that end with unit " + std::to_string(each.sold);
          gap.found = "fewer";
        }
        note(report_, std::move(gap));
      }
    }
    if (sold_without_stock_.empty()) {
      co_return;
    }
    // A product may have become limited meanwhile.
    const auto reading = [this] { return read_stocks_again(); };
    co_await attempt(reading);
    for (const product_id product : sold_without_stock_) {
      const bool found =
          std::ranges::any_of(stocks_, [product](const store::stored_stock& each) { return each.product == product; });
      if (!found) {
        note_stock(product, "a stock", "none");
      }
    }
  }

  net::task<> read_gap(const store::stored_stock* of, domain::book_violation* into) {
    *into = co_await store::find_gap(db_, of->product, of->sold, later());
  }
  net::task<> read_stocks_again() { stocks_ = co_await store::read_stocks(db_, soon()); }

  void note_stock(product_id product, std::string expected, std::string found) {
    domain::book_violation wrong;
    wrong.rule = store::rule::stocks;
    wrong.product = product;
    wrong.expected = std::move(expected);
    wrong.found = std::move(found);
    note(report_, std::move(wrong));
  }

  /// Whoever reads the event log meets each version of a user once, behind the one before it. The versions of a user
  /// are anywhere in the log, so all of it is sorted: of as many users at a time as have a page of events together.
  net::task<> check_events() {
    std::int64_t events = 0;
    const auto counting = [&] { return count_events(&events); };
    co_await attempt(counting);
    const std::int64_t parts = 1 + std::max(events, std::int64_t{0}) / store::events_page;
    for (const std::string_view which : {store::rule::event_versions, store::rule::event_order}) {
      for (std::int64_t part = 0; part < parts; ++part) {
        store::table_findings found;
        const auto comparing = [&] { return compare_events(which, parts, part, &found); };
        co_await attempt(comparing);
        note_all(report_, which, std::move(found));
      }
    }
    store::table_findings found;
    const auto comparing = [&] { return compare_positions(&found); };
    co_await attempt(comparing);
    note_all(report_, store::rule::event_positions, std::move(found));
    store::table_findings beyond;
    const auto looking = [&] { return compare_places(&beyond); };
    co_await attempt(looking);
    note_all(report_, store::rule::webhook_places, std::move(beyond));
  }

  net::task<> count_events(std::int64_t* into) { *into = co_await store::count_events(db_, later()); }
  net::task<> compare_events(std::string_view which, std::int64_t parts, std::int64_t part,
                             store::table_findings* into) {
    *into = co_await store::compare_events(db_, which, parts, part, later());
  }
  net::task<> compare_positions(store::table_findings* into) {
    *into = co_await store::compare_event_positions(db_, later());
  }
  net::task<> compare_places(store::table_findings* into) {
    *into = co_await store::compare_webhook_places(db_, later());
  }

  pg::connection& db_;
  store::user_range users_;
  std::chrono::milliseconds page_time_;
  std::function<void(std::int64_t)> progress_;
  audit_report report_;
  domain::replay::catalogue products_;
  std::vector<store::stored_stock> stocks_;
  std::map<product_id, tiling> pieces_;
  std::set<product_id> sold_without_stock_;
};

}  // namespace detail

inline std::int64_t audit_report::violations() const noexcept {
  std::int64_t total = 0;
  for (const auto& [name, rule] : rules) {
    total += rule.count;
  }
  return total;
}

/// Replays every journal and compares the result with the stored balances and inventories, some thousand rows at a
/// time, each in a short REPEATABLE READ snapshot of its own (docs/adr/0031): it writes nothing, takes no lock that a
/// writer waits for, keeps no row from being cleaned up for long, and works on a standby. A range that a standby's
/// recovery cuts short is read again. Memory: some pages, the catalogue, a number per limited product and one user's
/// items, whatever the size of the books. A page has until `page_time`, a comparison ten times that. `progress` is
/// called with the number of journal rows read; may be empty. Throws pg::error.
inline net::task<audit_report> audit_books(pg::connection& db, store::user_range users,
                                           std::chrono::milliseconds page_time,
                                           std::function<void(std::int64_t)> progress) {
  detail::auditor work{db, users, page_time, std::move(progress)};
  co_return co_await work.run();
}

}  // namespace coffer::service
