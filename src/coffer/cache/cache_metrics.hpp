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

}  // namespace coffer::cache
