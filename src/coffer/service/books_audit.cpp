#include "coffer/service/books_audit.hpp"

#include <algorithm>
#include <optional>

namespace coffer::service {

namespace {

/// A table read page by page; the row at the front is the next one.
template <typename Row>
class stream {
 public:
  using page_reader = net::task<std::vector<Row>> (*)(pg::connection&, store::user_range, std::optional<Row>,
                                                      net::deadline);

  stream(pg::connection& db, store::user_range users, std::chrono::milliseconds page_time, page_reader read)
      : db_{db}, users_{users}, page_time_{page_time}, read_{read} {}

  /// Whether refill() must be called before front() tells anything.
  [[nodiscard]] bool must_refill() const noexcept { return next_ == page_.size() && !ended_; }

  net::task<> refill() {
    const auto until = net::deadline_in(page_time_);
    std::optional<Row> behind;
    if (!page_.empty()) {
      behind = page_.back();
    }
    page_ = co_await read_(db_, users_, behind, until);
    next_ = 0;
    ended_ = page_.size() < static_cast<std::size_t>(store::books_page);
    rows_ += static_cast<std::int64_t>(page_.size());
  }

  /// nullptr at the end.
  [[nodiscard]] const Row* front() const noexcept { return next_ < page_.size() ? &page_[next_] : nullptr; }
  void pop() noexcept { ++next_; }
  [[nodiscard]] std::int64_t rows() const noexcept { return rows_; }

 private:
  pg::connection& db_;
  store::user_range users_;
  std::chrono::milliseconds page_time_;
  page_reader read_;
  std::vector<Row> page_;
  std::size_t next_ = 0;
  bool ended_ = false;
  std::int64_t rows_ = 0;
};

/// The smallest user that any stream stands at.
template <typename... Streams>
std::optional<user_id> next_user(const Streams&... streams) {
  std::optional<user_id> first;
  const auto look = [&first](const auto* row) {
    if (row != nullptr && (!first || row->user < *first)) {
      first = row->user;
    }
  };
  (look(streams.front()), ...);
  return first;
}

void note(audit_report& report, domain::book_violation found) {
  rule_findings& rule = report.rules[found.rule];
  ++rule.count;
  if (rule.examples.size() < audit_report::max_examples) {
    rule.examples.push_back(std::move(found));
  }
}

/// Every rule of a replay, so that the ones that hold are named too.
constexpr std::string_view replay_rules[] = {
    domain::rule::balance,
    domain::rule::balance_after,
    domain::rule::no_negative_balance,
    domain::rule::versions,
    domain::rule::inventory,
    domain::rule::item_quantity_after,
    domain::rule::no_negative_quantity,
    domain::rule::permanent_once,
    domain::rule::missing,
    domain::rule::reason,
    domain::rule::no_pending,
    domain::rule::user_exists,
    domain::rule::product_exists,
};

net::task<> replay_all(pg::connection& db, store::user_range users, std::chrono::milliseconds page_time,
                       const std::function<void(std::int64_t)>& progress, audit_report& report) {
  for (const std::string_view each : replay_rules) {
    report.rules.try_emplace(each);
  }
  const auto catalogue = co_await store::read_catalogue(db, net::deadline_in(page_time));
  report.products = static_cast<std::int64_t>(catalogue.size());
  domain::replay books{catalogue, [&report](domain::book_violation found) { note(report, std::move(found)); }};
  stream<domain::stored_wallet> wallets{db, users, page_time, store::read_wallets};
  stream<domain::journal_entry> journal{db, users, page_time, store::read_journal};
  stream<domain::stored_holding> holdings{db, users, page_time, store::read_holdings};
  for (;;) {
    if (wallets.must_refill()) {
      co_await wallets.refill();
    }
    if (journal.must_refill()) {
      co_await journal.refill();
    }
    if (holdings.must_refill()) {
      co_await holdings.refill();
    }
    const std::optional<user_id> user = next_user(wallets, journal, holdings);
    if (!user) {
      break;
    }
    std::optional<domain::stored_wallet> stored;
    if (const auto* wallet = wallets.front(); wallet != nullptr && wallet->user == *user) {
      stored = *wallet;
      wallets.pop();
    }
    books.begin(*user, stored);
    while (journal.front() != nullptr && journal.front()->user == *user) {
      books.entry(*journal.front());
      journal.pop();
      if (journal.must_refill()) {
        co_await journal.refill();
        if (progress) {
          progress(journal.rows());
        }
      }
    }
    while (holdings.front() != nullptr && holdings.front()->user == *user) {
      books.holding(*holdings.front());
      holdings.pop();
      if (holdings.must_refill()) {
        co_await holdings.refill();
      }
    }
    books.end();
  }
  report.users = wallets.rows();
  report.transactions = journal.rows();
  report.holdings = holdings.rows();
}

}  // namespace

std::int64_t audit_report::violations() const noexcept {
  std::int64_t total = 0;
  for (const auto& [name, rule] : rules) {
    total += rule.count;
  }
  return total;
}

net::task<audit_report> audit_books(pg::connection& db, store::user_range users, std::chrono::milliseconds page_time,
                                    std::function<void(std::int64_t)> progress) {
  co_await db.execute("begin transaction isolation level repeatable read, read only", net::deadline_in(page_time));
  audit_report report;
  co_await replay_all(db, users, page_time, progress, report);
  std::vector<std::string_view> tables = {store::rule::usernames, store::rule::emails, store::rule::bought,
                                          store::rule::refunds};
  // Counters and stocks do not tell whose purchases they count.
  if (users == store::user_range{}) {
    tables.push_back(store::rule::sales_counters);
    tables.push_back(store::rule::refunded_sales);
    tables.push_back(store::rule::stocks);
  }
  for (const std::string_view which : tables) {
    store::table_findings found = co_await store::compare_tables(db, which, users, net::deadline_in(page_time * 10));
    report.rules.insert_or_assign(which, rule_findings{found.count, std::move(found.examples)});
  }
  co_await db.execute("commit", net::deadline_in(page_time));
  co_return report;
}

}  // namespace coffer::service
