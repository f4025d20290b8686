// The tables of the model: each row with its newest committed version, and the one that the transaction that holds it
// has written.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "coffer/domain/product.hpp"
#include "coffer/domain/transaction.hpp"

namespace coffer::simulation {

class backend;

/// A row, or the place where one may be inserted.
struct slot_base {
  slot_base() = default;
  slot_base(const slot_base&) = delete;
  slot_base& operator=(const slot_base&) = delete;
  virtual ~slot_base() = default;

  /// What the owner has written becomes the newest version.
  virtual void publish() = 0;
  /// What the owner has written is forgotten.
  virtual void roll_back() = 0;
  /// The last publish() never was.
  virtual void take_back() = 0;

  backend* owner = nullptr;  ///< whose transaction holds it
};

/// A row of one table.
template <typename Row>
struct slot final : slot_base {
  void publish() override {
    past.push_back(newest);
    if (written) {
      newest = std::exchange(written, std::nullopt);
    }
  }
  void roll_back() override { written.reset(); }
  void take_back() override {
    newest = std::move(past.back());
    past.pop_back();
  }

  /// What `who` sees of it; null: no row.
  [[nodiscard]] const Row* seen_by(const backend* who) const {
    const auto& version = owner == who && written ? written : newest;
    return version ? &*version : nullptr;
  }

  std::optional<Row> newest;
  std::optional<Row> written;
  std::vector<std::optional<Row>> past;
};

/// Rows by their primary key. A slot stays where it is.
template <typename Key, typename Row>
using table = std::map<Key, slot<Row>>;

// The columns that batches read or write; products and the journal have the server's own types.
struct user_row {
  std::int64_t balance = 0;
  std::int64_t version = 0;
  std::optional<std::int64_t> event_version{};
  std::optional<std::int64_t> event_stream{};
};

struct event_row {
  /// Of a user: versions `first` to `last`.
  struct range {
    std::int64_t user;
    std::int64_t first;
    std::int64_t last;
  };
  std::vector<range> ranges;
  std::map<std::int64_t, std::int64_t> after;  ///< positions by stream
};

struct holding_row {
  std::int64_t quantity = 0;
  std::int64_t bought = 0;
  timestamp purchased_at;
};

struct stock_row {
  std::optional<std::int64_t> supply;
  std::int64_t sold = 0;
};

struct counter_row {
  std::int64_t purchases = 0;
  std::int64_t units = 0;
  std::int64_t revenue = 0;
};

using pair_key = std::pair<std::int64_t, std::int64_t>;
/// Of an idempotency key: user, whether a player sent it, text.
using place_key = std::tuple<std::int64_t, bool, std::string>;
/// Of sales: hour, product, lane.
using counter_key = std::tuple<timestamp, std::int64_t, std::int64_t>;

/// The schema.
struct tables {
  table<std::int64_t, user_row> users;
  table<std::int64_t, domain::product_terms> products;
  table<std::int64_t, stock_row> stocks;
  table<pair_key, holding_row> holdings;         ///< by user, product
  table<pair_key, domain::transaction> journal;  ///< by user, version
  table<place_key, std::int64_t> keys;           ///< the unique index on keys: the version of the row
  table<pair_key, std::int64_t> refunds;         ///< units, by user, version
  table<counter_key, counter_row> sales;
  table<counter_key, counter_row> refunded_sales;
  table<pair_key, event_row> events;  ///< by stream, position
};

}  // namespace coffer::simulation
