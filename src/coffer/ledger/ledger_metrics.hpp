// The write path's metrics, looked up once.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "coffer/base/metrics.hpp"
#include "coffer/domain/transaction.hpp"

namespace coffer::ledger {

/// Series shared by all lanes of the process.
struct ledger_metrics {
  metrics::histogram batch_size;
  metrics::histogram queue_wait_seconds;
  metrics::histogram commit_seconds;
  metrics::gauge queued;
  metrics::gauge waiting;  ///< for room in a queue
  metrics::counter commands;
  metrics::counter replays;
  metrics::counter overloaded;
  metrics::counter expired;
  metrics::counter held;  ///< commands whose row of a user or stock somebody else held
  metrics::counter isolated;
  metrics::counter unknown_committed;
  metrics::counter unknown_absent;
  metrics::counter unknown_answered;
  metrics::gauge unresolved_keys;
  metrics::counter unresolved_keys_forgotten;

  static const ledger_metrics& get();

  /// Counts one new row of the journal by its kind and what was decided.
  static void count_credits(const domain::transaction& row);
  static void count_row(const domain::transaction& row);

  /// Counts one retry of a batch, labelled with the SQLSTATE that caused it.
  static void count_retry(std::string_view sqlstate);
};

namespace detail {

inline ledger_metrics make() {
  const std::vector<double> seconds = {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5};
  const std::vector<double> sizes = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};
  const auto* unknown_name = "coffer_lane_unknown_outcomes_total";
  const auto* unknown_help = "Commits whose connection was lost, by how the question was settled";
  return ledger_metrics{
      .batch_size = metrics::make_histogram("coffer_lane_batch_size", "Commands per committed batch", sizes),
      .queue_wait_seconds =
          metrics::make_histogram("coffer_lane_queue_wait_seconds", "Time a command waited for its batch", seconds),
      .commit_seconds =
          metrics::make_histogram("coffer_lane_batch_seconds", "Time from a batch's start to its commit", seconds),
      .queued = metrics::make_gauge("coffer_lane_queued", "Commands waiting in all lanes"),
      .waiting = metrics::make_gauge("coffer_lane_waiting", "Commands waiting for room in a full lane"),
      .commands = metrics::make_counter("coffer_lane_commands_total", "Commands committed by all lanes"),
      .replays = metrics::make_counter("coffer_lane_replays_total", "Commands answered from the journal by their key"),
      .overloaded = metrics::make_counter("coffer_lane_overloaded_total", "Commands refused because a lane was full"),
      .expired = metrics::make_counter("coffer_lane_expired_total",
                                       "Commands whose deadline passed before their batch, or would have"),
      .held = metrics::make_counter(
          "coffer_lane_held_total",
          "Commands refused because somebody else held the row of their user or stock for too long"),
      .isolated = metrics::make_counter("coffer_lane_isolated_batches_total",
                                        "Batches re-run command by command after a failure"),
      .unknown_committed = metrics::make_counter(unknown_name, unknown_help, {{"settled", "committed"}}),
      .unknown_absent = metrics::make_counter(unknown_name, unknown_help, {{"settled", "not_committed"}}),
      .unknown_answered = metrics::make_counter(unknown_name, unknown_help, {{"settled", "deadline_passed"}}),
      .unresolved_keys =
          metrics::make_gauge("coffer_lane_doubts", "Keys answered outcome_unknown whose users had no commit since"),
      .unresolved_keys_forgotten = metrics::make_counter(
          "coffer_lane_doubts_forgotten_total", "Unresolved keys that were forgotten because there were too many"),
  };
}

}  // namespace detail

inline const ledger_metrics& ledger_metrics::get() {
  static const ledger_metrics instance = detail::make();
  return instance;
}

/// What a completed row brings into wallets, or takes out of them.
inline void ledger_metrics::count_credits(const domain::transaction& row) {
  using domain::transaction_kind;
  constexpr std::size_t kinds = static_cast<std::size_t>(transaction_kind::grant) + 1;
  thread_local std::array<std::array<std::optional<metrics::counter>, 2>, kinds> known;
  const bool out = row.kind == transaction_kind::purchase || (row.kind == transaction_kind::refund && !row.product) ||
                   domain::takes_away(row);
  std::optional<metrics::counter>& series = known.at(static_cast<std::size_t>(row.kind)).at(out ? 1 : 0);
  if (!series) {
    series =
        metrics::make_counter("coffer_credits_total", "Credits that committed transactions moved into wallets or out",
                              {{"kind", std::string{to_string(row.kind)}}, {"direction", out ? "out" : "in"}});
  }
  series->add(static_cast<double>(row.amount.value));
}

inline void ledger_metrics::count_row(const domain::transaction& row) {
  if (row.status == domain::transaction_status::completed && row.amount.value > 0) {
    count_credits(row);
  }
  constexpr std::size_t kinds = static_cast<std::size_t>(domain::transaction_kind::grant) + 1;
  // Looked up once per thread: by the kind, and by the reason or, behind all of those, for none.
  thread_local std::array<std::array<std::optional<metrics::counter>, errc_count + 1>, kinds> known;
  const std::size_t outcome = row.reason ? static_cast<std::size_t>(*row.reason) : errc_count;
  std::optional<metrics::counter>& series = known.at(static_cast<std::size_t>(row.kind)).at(outcome);
  if (!series) {
    series = metrics::make_counter(
        "coffer_transactions_total", "New rows of the journal, by what was asked for and what was decided",
        {{"kind", std::string{to_string(row.kind)}},
         {"outcome", std::string{row.reason ? to_string(*row.reason) : std::string_view{"completed"}}}});
  }
  series->add();
}

inline void ledger_metrics::count_retry(std::string_view sqlstate) {
  metrics::make_counter("coffer_lane_retries_total", "Batch attempts repeated, by SQLSTATE",
                        {{"sqlstate", std::string{sqlstate}}})
      .add();
}

}  // namespace coffer::ledger
