// How many uploads a thread serves at once, and what is held for each.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "coffer/base/metrics.hpp"

namespace coffer::api {

/// Where the answers of an upload are held until it has been read, and how many.
struct held_answers_options {
  std::string directory;  ///< of the files
  std::size_t limit = 0;  ///< bytes of one upload's answers
};

/// What all uploads of the process hold; there from the start.
struct held_metrics {
  metrics::gauge memory = held("memory");
  metrics::gauge files = held("file");
  metrics::counter file_failures = metrics::make_counter("coffer_bulk_file_failures_total",
                                                         "Bulk uploads whose answers could not be written to a file");
  metrics::counter omitted = metrics::make_counter("coffer_bulk_answers_omitted_total",
                                                   "Answers of bulk uploads that were counted and not shown");

  static const held_metrics& get() {
    static const held_metrics instance;
    return instance;
  }

 private:
  static metrics::gauge held(const char* where) {
    return metrics::make_gauge("coffer_bulk_held_bytes", "Answers of bulk uploads that are held back",
                               {{"where", where}});
  }
};

/// Counts the uploads of one thread. Must outlive the slots it gives.
class upload_slots {
 public:
  upload_slots() { held_metrics::get(); }

  /// Each upload keeps up to bulk_grants::window commands in the lanes. Two of them on each of two threads, all for one
  /// lane, fill its queue (ledger::lane_options::queue_limit) and no more.
  static constexpr std::size_t most = 2;

  /// The right to run one upload; null when `most` are running. Ends with the pointer.
  std::shared_ptr<void> take() {
    if (running_ == most) {
      refused_.add();
      return nullptr;
    }
    ++running_;
    gauge_.add(1);
    return {this, [](upload_slots* s) {
              --s->running_;
              s->gauge_.add(-1);
            }};
  }

 private:
  std::size_t running_ = 0;
  metrics::gauge gauge_ = metrics::make_gauge("coffer_bulk_uploads", "Bulk uploads that are running");
  metrics::counter refused_ =
      metrics::make_counter("coffer_bulk_uploads_refused_total", "Bulk uploads refused because too many were running");
};

}  // namespace coffer::api
