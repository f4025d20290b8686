// A stretch of one user's journal.
#pragma once

#include "coffer/base/ids.hpp"

namespace coffer::store {

/// Versions `first` to `last`, both included; `last` is before `first` when there are none.
struct version_range {
  version first;
  version last;
};

}  // namespace coffer::store
