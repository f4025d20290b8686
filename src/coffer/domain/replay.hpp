// Replays the journal of one user after the other and compares the result with what is stored. Shares no code with
// decide(): a second opinion. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "coffer/domain/product.hpp"
#include "coffer/domain/transaction.hpp"

namespace coffer::domain {

/// One place where the books are wrong.
struct book_violation {
  std::string_view rule;  ///< a literal, e.g. "versions_dense"
  std::optional<user_id> user;
  std::optional<version> at;
  std::optional<product_id> product;
  std::string expected;
  std::string found;
};

/// The rules that a replay can find broken.
namespace rule {
inline constexpr std::string_view balance = "balance_is_journal_sum";
inline constexpr std::string_view balance_after = "balance_after_is_running_sum";
inline constexpr std::string_view no_negative_balance = "no_negative_balance";
inline constexpr std::string_view versions = "versions_dense";
inline constexpr std::string_view inventory = "inventory_is_journal_sum";
inline constexpr std::string_view item_quantity_after = "item_quantity_after_is_running_sum";
inline constexpr std::string_view no_negative_quantity = "no_negative_quantity";
inline constexpr std::string_view permanent_once = "permanent_owned_once";
inline constexpr std::string_view missing = "refund_misses_what_was_used_up";
inline constexpr std::string_view reason = "reason_only_of_failed";
inline constexpr std::string_view known_reason = "reason_is_known";
inline constexpr std::string_view known_kind = "kind_is_known";
inline constexpr std::string_view times = "times_rise_with_versions";
inline constexpr std::string_view bought = "bought_is_journal_sum";
inline constexpr std::string_view no_pending = "no_pending_transaction";
inline constexpr std::string_view user_exists = "user_exists";
inline constexpr std::string_view product_exists = "product_exists";
}  // namespace rule

/// A user as stored.
struct stored_wallet {
  user_id user;
  std::int64_t balance = 0;
  std::int64_t at = 0;  ///< version
};

/// A row of the journal, as far as it changes anything.
struct journal_entry {
  user_id user;
  std::int64_t at = 0;  ///< version
  transaction_kind kind = transaction_kind::deposit;
  transaction_status status = transaction_status::completed;
  std::optional<product_id> product;
  std::int64_t quantity = 0;
  std::int64_t amount = 0;
  std::int64_t balance_after = 0;
  std::optional<std::int64_t> item_quantity_after;
  bool has_reason = false;
  bool knows_reason = true;  ///< it is one of ours
  timestamp created_at{};
  std::optional<std::int64_t> detail_1;  ///< see transaction
  std::optional<std::int64_t> detail_2;
};

/// A line of the inventory as stored.
struct stored_holding {
  user_id user;
  product_id product;
  std::int64_t quantity = 0;
  std::int64_t bought = 0;  ///< units ever, less what was refunded
};

/// Feed per user: begin(), then its journal by version, then its holdings, then end(). Keeps what it knows of one user
/// only. Sums saturate instead of wrapping: absurd numbers are violations, not undefined behaviour.
class replay {
 public:
  using catalogue = std::unordered_map<product_id, product_type>;
  using sink = std::function<void(book_violation)>;

  /// `products` must outlive this. `report` is called for every violation. `with_bought`: whether
  /// stored_holding::bought is compared, so that a line of used-up units may not be missing either.
  replay(const catalogue& products, sink report, bool with_bought = false)
      : products_{products}, report_{std::move(report)}, with_bought_{with_bought} {}

  /// `stored` is nullopt when rows of a user exist that does not.
  void begin(user_id user, std::optional<stored_wallet> stored);
  void entry(const journal_entry& row);
  /// What is stored of the user by now, for end(): the journal of a user that is read in pieces has grown since
  /// begin().
  void restate(std::optional<stored_wallet> stored) { stored_ = stored; }
  void holding(const stored_holding& line);
  void end();

 private:
  struct item {
    std::int64_t quantity = 0;
    std::int64_t bought = 0;  ///< less what was refunded
    bool recorded = false;    ///< by a completed row
    bool seen = false;        ///< among the holdings
  };

  void apply(const journal_entry& row);
  /// Adds to a running sum, and reports one that leaves 64 bits.
  void add(std::int64_t& sum, std::int64_t change, std::string_view rule, const journal_entry& row) const;
  void check_item(const journal_entry& row);
  void check_owned_once(product_id product, std::optional<version> at, std::int64_t owned);
  void check_product(product_id product, std::optional<version> at);
  void violated(std::string_view rule, std::optional<version> at, std::optional<product_id> product,
                std::string expected, std::string found) const;
  void compare(std::string_view rule, std::optional<version> at, std::optional<product_id> product,
               std::int64_t expected, std::int64_t found) const;

  const catalogue& products_;
  sink report_;
  bool with_bought_;
  user_id user_;
  std::optional<stored_wallet> stored_;
  std::int64_t balance_ = 0;
  std::int64_t at_ = 0;
  timestamp time_{};
  std::map<product_id, item> items_;
};

}  // namespace coffer::domain
