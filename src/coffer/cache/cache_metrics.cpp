#include "coffer/cache/cache_metrics.hpp"

namespace coffer::cache {

namespace {

using metrics::make_counter;

metrics::counter reads(const char* result) {
  return make_counter("coffer_cache_reads_total", "Inventory reads, by what the cache did.", {{"result", result}});
}

metrics::counter fills(const char* result) {
  return make_counter("coffer_cache_fills_total", "Inventories offered to the cache, by what became of them.",
                      {{"result", result}});
}

metrics::counter repairs(const char* result) {
  return make_counter("coffer_cache_repairs_total",
                      "Commands that repeated lost invalidations or set fences anew, by what became of them.",
                      {{"result", result}});
}

metrics::counter popular(const char* source) {
  return make_counter("coffer_popular_reads_total", "Reads of the popular products, by where they came from.",
                      {{"source", source}});
}

}  // namespace

const inventory_metrics& inventory_metrics::get() {
  static const inventory_metrics all{
      reads("hit"),
      reads("miss"),
      reads("bypass"),
      make_counter("coffer_cache_foreign_total", "Cached inventories of another epoch or run of Redis, not served."),
      make_counter("coffer_cache_garbage_total", "Cache entries and replies that made no sense, not served."),
      make_counter("coffer_cache_read_failures_total", "Cache reads that Redis did not answer, or with an error."),
      fills("stored"),
      fills("refused"),
      fills("failed"),
      make_counter("coffer_cache_invalidations_total", "Users whose cache entry was deleted after a change."),
      make_counter("coffer_cache_invalidations_lost_total",
                   "Users whose cache entry could not be deleted after a change; they bypass the cache."),
      make_counter("coffer_cache_renewals_total",
                   "Whole caches dropped: by a start, or because too many invalidations were lost."),
      repairs("done"),
      repairs("failed"),
      metrics::make_gauge("coffer_cache_bypass_users", "Users who bypass the cache."),
      metrics::make_gauge("coffer_cache_doubtful_users", "Users of whom a commit is in doubt."),
  };
  return all;
}

const popular_metrics& popular_metrics::get() {
  static const popular_metrics all{
      popular("local"),
      popular("redis"),
      popular("database"),
      make_counter("coffer_popular_failures_total", "Computations of the popular products that failed."),
  };
  return all;
}

}  // namespace coffer::cache
