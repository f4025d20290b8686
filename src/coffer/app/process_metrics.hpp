// The process as the kernel sees it, by the names that Prometheus clients agree on.
#pragma once

#include <string>

namespace coffer::app {

/// CPU time, memory, descriptors, start time and version as Prometheus text (exposition format 0.0.4). Reads /proc;
/// what cannot be read is left out.
std::string process_metrics();

}  // namespace coffer::app
