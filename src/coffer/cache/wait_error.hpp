// The one way in which waiting for somebody else's load fails by itself.
#pragma once

#include <stdexcept>

namespace coffer::cache {

/// The deadline passed while another caller's load was awaited, or too many wait. Nothing is wrong with the data:
/// 503 `unavailable`.
class wait_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace coffer::cache
