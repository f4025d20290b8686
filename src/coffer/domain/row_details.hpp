// What the two numbers mean that some rows of the journal have besides the usual ones.
#pragma once

#include <cstdint>
#include <optional>

#include "coffer/base/clock.hpp"
#include "coffer/base/ids.hpp"

namespace coffer::domain {

/// The columns detail_1 and detail_2 of a row. Which of the meanings below holds depends on the row's kind, status and
/// reason; who makes the details knows, and who reads them has looked.
class row_details {
 public:
  using number = std::optional<std::int64_t>;

  row_details() = default;

  /// A completed purchase that took from a stock: how many units of it were sold by then, these included.
  static row_details of_stock(std::int64_t units_sold) { return {units_sold, std::nullopt}; }
  [[nodiscard]] number units_sold() const noexcept { return first_; }

  /// sold_out: how many units there were.
  static row_details of_sold_out(std::int64_t units_left) { return {units_left, std::nullopt}; }
  [[nodiscard]] number units_left() const noexcept { return first_; }

  /// limit_reached: the limit, and the units that were bought before.
  static row_details of_limit(std::int64_t limit, std::int64_t bought) { return {limit, bought}; }
  [[nodiscard]] number limit() const noexcept { return first_; }
  [[nodiscard]] number bought() const noexcept { return second_; }

  /// not_on_sale: when the sale starts and ends, in microseconds since the Unix epoch.
  static row_details of_sale(std::optional<timestamp> starts, std::optional<timestamp> ends) {
    return {microseconds_of(starts), microseconds_of(ends)};
  }
  [[nodiscard]] number sale_starts() const noexcept { return first_; }
  [[nodiscard]] number sale_ends() const noexcept { return second_; }

  /// A grant that takes; one that gives has no details, or those of its refusal.
  static row_details of_taking() { return {taken_away, std::nullopt}; }
  [[nodiscard]] bool takes() const noexcept { return first_ == taken_away; }

  /// A completed refund: which row it is of, and the units that had been used up, or the credits that had been spent,
  /// and were not taken back.
  static row_details of_refund(version refunded, std::int64_t missing) { return {refunded.value, missing}; }
  [[nodiscard]] number refunded() const noexcept { return first_; }
  [[nodiscard]] number missing() const noexcept { return second_; }

  /// A refused refund: which row it is of, and the units or credits that could have been refunded.
  static row_details of_refused_refund(version refunded, number refundable) { return {refunded.value, refundable}; }
  [[nodiscard]] number refundable() const noexcept { return second_; }

  /// A refusal in an atomic group: the balance or the items behind the group's commands before it, when the row's
  /// balance_after or item_quantity_after, which are those without the group, differ from it.
  void set_there(std::int64_t there) noexcept { second_ = there; }
  [[nodiscard]] number there() const noexcept { return second_; }

  /// The columns.
  static row_details from_columns(number first, number second) { return {first, second}; }
  [[nodiscard]] number first_column() const noexcept { return first_; }
  [[nodiscard]] number second_column() const noexcept { return second_; }
  [[nodiscard]] bool empty() const noexcept { return !first_ && !second_; }

  friend bool operator==(const row_details&, const row_details&) = default;

 private:
  /// Stored: never change it.
  static constexpr std::int64_t taken_away = -1;

  row_details(number first, number second) : first_{first}, second_{second} {}

  static number microseconds_of(std::optional<timestamp> time) {
    return time ? number{time->time_since_epoch().count()} : std::nullopt;
  }

  number first_;
  number second_;
};

}  // namespace coffer::domain
