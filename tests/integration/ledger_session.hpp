// What tests of the write path share: ledgers on a database of the test's own, commands, and their outcomes.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coffer/app/lanes.hpp"
#include "coffer/domain/product.hpp"
#include "coffer/ledger/ledger.hpp"
#include "support/catch.hpp"
#include "support/database.hpp"
#include "support/fault_proxy.hpp"
#include "support/pg_environment.hpp"
#include "support/run_task.hpp"

namespace coffer::test {

/// A ledger of its own, as a process would have one, on a shared context.
class books {
 public:
  books(asio::io_context& context, const std::string& url, std::size_t lanes = 1, std::size_t max_batch = 256,
        std::size_t queue_limit = 1024) {
    std::vector<ledger::ledger::owned_lane> made;
    for (std::size_t i = 0; i < lanes; ++i) {
      ledger::lane_options how;
      how.database.url = url;
      how.max_batch = max_batch;
      how.queue_limit = queue_limit;
      how.number = static_cast<int>(i);
      how.lane_key = app::draw_lane_key(i, lanes);
      auto writer = std::make_unique<ledger::lane>(context.get_executor(), std::move(how),
                                                   [this](std::span<const ledger::user_version> users, bool certain) {
                                                     (certain ? announced : doubted) += users.size();
                                                   });
      made.push_back({context.get_executor(), 0, std::move(writer)});
    }
    ledger.emplace(std::move(made));
    for (auto& each : ledger->lanes()) {
      auto ended = [this](const std::exception_ptr& e) {
        failed = failed || e != nullptr;
        ++stopped;
      };
      asio::co_spawn(context, each.writer->run(), std::move(ended));
    }
  }

  void stop() {
    for (auto& each : ledger->lanes()) {
      each.writer->stop();
    }
  }

  std::optional<ledger::ledger> ledger;
  std::size_t announced = 0;
  std::size_t doubted = 0;
  std::size_t stopped = 0;
  bool failed = false;
};

/// Commands sent to ledgers, answered while the context runs.
class session {
 public:
  session() = default;
  explicit session(database on) : db{std::move(on)} {}
  ~session() {
    for (books* b : open_) {
      b->stop();
    }
    try {
      run_until(context, [&] { return all_stopped(); }, std::chrono::seconds{20});
    } catch (const std::exception&) {
      WARN("a lane did not stop");
    }
  }

  books& open(std::size_t lanes = 1, std::size_t max_batch = 256, std::size_t queue_limit = 1024,
              const std::string& url = {}) {
    owned_.push_back(std::make_unique<books>(context, url.empty() ? db.url() : url, lanes, max_batch, queue_limit));
    open_.push_back(owned_.back().get());
    return *owned_.back();
  }

  /// Sends a command; its verdict appears in `verdicts` at the returned index.
  std::size_t send(books& to, domain::command c, net::deadline until = net::deadline_in(std::chrono::seconds{5})) {
    const std::size_t index = verdicts.size();
    verdicts.emplace_back();
    if (c.request_id.empty()) {
      c.request_id = "r" + std::to_string(index);
    }
    auto store = [this, index](const std::exception_ptr& e, domain::verdict v) {
      if (!e) {
        verdicts[index] = std::move(v);
      }
      ++answered;
    };
    asio::co_spawn(context, to.ledger->submit(std::move(c), until), std::move(store));
    return index;
  }

  void run(std::chrono::seconds limit = std::chrono::seconds{20}) {
    run_until(context, [&] { return answered == verdicts.size(); }, limit);
  }

  /// How often each outcome came: "completed", "replayed", or the refusal's code.
  std::map<std::string, int> outcomes() const {
    std::map<std::string, int> counts;
    for (const auto& v : verdicts) {
      ++counts[outcome(v)];
    }
    return counts;
  }

  static std::string outcome(const std::optional<domain::verdict>& v) {
    if (!v) {
      return "none";
    }
    if (!*v) {
      return std::string{to_string(v->error().code)};
    }
    const domain::decision& d = **v;
    if (d.replayed) {
      return "replayed";
    }
    return std::string{d.row.reason ? to_string(*d.row.reason) : to_string(d.row.status)};
  }

  /// Inserts a user with this balance, deposited.
  user_id user(std::int64_t balance) {
    const auto id = db.integer("select nextval('user_ids')");
    const auto text = std::to_string(id);
    db.query("insert into users (id, username, email, balance, version) values ($1, $2, $2, $3, 1)",
             {text, "u" + text, std::to_string(balance)});
    db.query(
        "insert into transactions (user_id, version, kind, status, quantity, amount, balance_after, request_id)"
        " values ($1, 1, 1, 2, 0, $2, $2, 'test')",
        {text, std::to_string(balance)});
    return user_id{id};
  }

  product_id product(domain::product_type type, std::int64_t price) {
    const auto id = db.integer("select nextval('product_ids')");
    db.query(
        "insert into products (id, name, price, type) values ($1, $2, $3, $4)",
        {std::to_string(id), "p" + std::to_string(id), std::to_string(price), std::to_string(static_cast<int>(type))});
    return product_id{id};
  }

  database db;
  asio::io_context context{1};
  std::vector<std::optional<domain::verdict>> verdicts;
  std::size_t answered = 0;

 private:
  bool all_stopped() {
    for (books* b : open_) {
      if (b->stopped < b->ledger->lanes().size()) {
        return false;
      }
    }
    return true;
  }

  std::vector<std::unique_ptr<books>> owned_;
  std::vector<books*> open_;
};

inline domain::command purchase(user_id user, product_id product, std::int64_t quantity = 1) {
  domain::command c;
  c.kind = domain::transaction_kind::purchase;
  c.user = user;
  c.product = product;
  c.quantity = quantity;
  return c;
}

inline domain::command deposit(user_id user, std::int64_t amount) {
  domain::command c;
  c.kind = domain::transaction_kind::deposit;
  c.user = user;
  c.amount = domain::credits{amount};
  return c;
}

/// A database behind a proxy.
struct proxied {
  explicit proxied(session& s)
      : where{database_address()}, proxy{where.host, where.port}, url{url_with(s.db.url(), proxy.keywords())} {}

  server_address where;
  fault_proxy proxy;
  std::string url;
};

using outcomes = std::map<std::string, int>;

}  // namespace coffer::test
