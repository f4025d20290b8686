// The series of the caches, all threads together.
#pragma once

#include "coffer/base/metrics.hpp"

namespace coffer::cache {

struct inventory_metrics {
  static const inventory_metrics& get();

  metrics::counter hits;
  metrics::counter misses;
  metrics::counter bypassed;
  metrics::counter foreign;        ///< values of another epoch or server run
  metrics::counter garbage;        ///< entries and replies that make no sense
  metrics::counter read_failures;  ///< reads that Redis did not answer, or with an error
  metrics::counter fills_stored;
  metrics::counter fills_refused;
  metrics::counter fills_failed;
  metrics::counter invalidated;
  metrics::counter invalidations_lost;
  metrics::counter renewals;
  metrics::counter repairs_done;
  metrics::counter repairs_failed;
  metrics::gauge bypass_users;
  metrics::gauge doubtful_users;
};

struct popular_metrics {
  static const popular_metrics& get();

  metrics::counter local;
  metrics::counter shared;
  metrics::counter computed;
  metrics::counter failed;
};

namespace detail {

inline metrics::counter reads(const char* result) {
  return metrics::make_counter("coffer_cache_reads_total", "Inventory reads, by what the cache did.",
                               {{"result", result}});
}

inline metrics::counter fills(const char* result) {
  return metrics::make_counter("coffer_cache_fills_total", "Inventories offered to the cache, by what became of them.",
                               {{"result", result}});
}

inline metrics::counter repairs(const char* result) {
  return metrics::make_counter("coffer_cache_repairs_total",
                               "Commands that repeated lost invalidations or set fences anew, by what became of them.",
                               {{"result", result}});
}

inline metrics::counter popular(const char* source) {
  return metrics::make_counter("coffer_popular_reads_total", "Reads of the popular products, by where they came from.",
                               {{"source", source}});
}

}  // namespace detail

inline const inventory_metrics& inventory_metrics::get() {
  static const inventory_metrics all{
      detail::reads("hit"),
      detail::reads("miss"),
      detail::reads("bypass"),
      metrics::make_counter("coffer_cache_foreign_total",
                            "Cached inventories of another epoch or run of Redis, not served."),
      metrics::make_counter("coffer_cache_garbage_total", "Cache entries and replies that made no sense, not served."),
      metrics::make_counter("coffer_cache_read_failures_total",
                            "Cache reads that Redis did not answer, or with an error."),
      detail::fills("stored"),
      detail::fills("refused"),
      detail::fills("failed"),
      metrics::make_counter("coffer_cache_invalidations_total", "Users whose cache entry was deleted after a change."),
      metrics::make_counter("coffer_cache_invalidations_lost_total",
                            "Users whose cache entry could not be deleted after a change; they bypass the cache."),
      metrics::make_counter("coffer_cache_renewals_total",
                            "Whole caches dropped: by a start, or because too many invalidations were lost."),
      detail::repairs("done"),
      detail::repairs("failed"),
      metrics::make_gauge("coffer_cache_bypass_users", "Users who bypass the cache."),
      metrics::make_gauge("coffer_cache_doubtful_users", "Users of whom a commit is in doubt."),
  };
  return all;
}

inline const popular_metrics& popular_metrics::get() {
  static const popular_metrics all{
      detail::popular("local"),
      detail::popular("redis"),
      detail::popular("database"),
      metrics::make_counter("coffer_popular_failures_total", "Computations of the popular products that failed."),
  };
  return all;
}

}  // namespace coffer::cache
