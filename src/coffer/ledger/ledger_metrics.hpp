// The write path's metrics, looked up once.
#pragma once

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
  metrics::counter held;  ///< commands whose user's row somebody else held
  metrics::counter isolated;
  metrics::counter unknown_committed;
  metrics::counter unknown_absent;
  metrics::counter unknown_answered;
  metrics::gauge doubts;
  metrics::counter doubts_forgotten;

  static const ledger_metrics& get();

  /// Counts one new row of the journal by its kind and what was decided.
  static void count_credits(const domain::transaction& row);
  static void count_row(const domain::transaction& row);

  /// Counts one retry of a batch, labelled with the SQLSTATE that caused it.
  static void count_retry(std::string_view sqlstate);
};

}  // namespace coffer::ledger
