#include "coffer/app/process_metrics.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

#include "coffer/app/version.hpp"

namespace coffer::app {

namespace {

void add(std::string& text, std::string_view name, std::string_view type, std::string_view help, double value) {
  text += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n{0} {3}\n", name, help, type, value);
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

/// The second number of /proc/self/statm, in pages (proc(5)).
double resident_bytes() {
  std::ifstream file{"/proc/self/statm"};
  double whole = 0;
  double resident = 0;
  file >> whole >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double open_descriptors() {
  std::error_code failed;
  const std::filesystem::directory_iterator all{"/proc/self/fd", failed};
  // One of them is this look itself.
  return failed ? 0 : static_cast<double>(std::distance(begin(all), end(all)) - 1);
}

/// Set before main(): as good as the beginning of the process.
const double started = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();

}  // namespace

std::string process_metrics() {
  std::string text;
  rusage used{};
  if (::getrusage(RUSAGE_SELF, &used) == 0) {
    add(text, "process_cpu_seconds_total", "counter", "User and system CPU time",
        seconds_of(used.ru_utime) + seconds_of(used.ru_stime));
  }
  add(text, "process_resident_memory_bytes", "gauge", "Resident memory", resident_bytes());
  add(text, "process_open_fds", "gauge", "Open file descriptors", open_descriptors());
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    add(text, "process_max_fds", "gauge", "Most file descriptors", static_cast<double>(files.rlim_cur));
  }
  add(text, "process_start_time_seconds", "gauge", "When the process began, since the Unix epoch", started);
  text += fmt::format(
      "# HELP coffer_build_info The running version\n# TYPE coffer_build_info "
      "gauge\ncoffer_build_info{{version=\"{}\"}} "
      "1\n",
      version_text);
  return text;
}

}  // namespace coffer::app
