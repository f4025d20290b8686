// The admin listener's API, for operators only: metrics, those of the process among them, and liveness.
#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "coffer/api/problem.hpp"
#include "coffer/app/version.hpp"
#include "coffer/base/metrics.hpp"
#include "coffer/http/handler.hpp"

namespace coffer::app {

namespace detail {

inline void add_metric(std::string& text, std::string_view name, std::string_view type, std::string_view help,
                       double value) {
  text += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n{0} {3}\n", name, help, type, value);
}

inline double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

/// The second number of /proc/self/statm, in pages (proc(5)).
inline double resident_bytes() {
  std::ifstream file{"/proc/self/statm"};
  double whole = 0;
  double resident = 0;
  file >> whole >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

inline double open_descriptors() {
  std::error_code failed;
  const std::filesystem::directory_iterator all{"/proc/self/fd", failed};
  // One of them is this look itself.
  return failed ? 0 : static_cast<double>(std::distance(begin(all), end(all)) - 1);
}

/// Set before main(): as good as the beginning of the process.
inline const double started =
    std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();

}  // namespace detail

/// CPU time, memory, descriptors, start time and version by the names that Prometheus clients agree on (text exposition
/// format 0.0.4). Reads /proc; what cannot be read is left out.
inline std::string process_metrics() {
  std::string text;
  rusage used{};
  if (::getrusage(RUSAGE_SELF, &used) == 0) {
    detail::add_metric(text, "process_cpu_seconds_total", "counter", "User and system CPU time",
                       detail::seconds_of(used.ru_utime) + detail::seconds_of(used.ru_stime));
  }
  detail::add_metric(text, "process_resident_memory_bytes", "gauge", "Resident memory", detail::resident_bytes());
  detail::add_metric(text, "process_open_fds", "gauge", "Open file descriptors", detail::open_descriptors());
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    detail::add_metric(text, "process_max_fds", "gauge", "Most file descriptors", static_cast<double>(files.rlim_cur));
  }
  detail::add_metric(text, "process_start_time_seconds", "gauge", "When the process began, since the Unix epoch",
                     detail::started);
  text += fmt::format(
      "# HELP coffer_build_info The running version\n# TYPE coffer_build_info "
      "gauge\ncoffer_build_info{{version=\"{}\"}} "
      "1\n",
      version_text);
  return text;
}

/// Answers GET /metrics (Prometheus text exposition format 0.0.4) and GET /livez.
class admin final : public http::handler {
 public:
  http::eventual_response handle(http::request& r) override {
    if (r.verb == http::method::options && r.path() == "*") {
      http::response answer{204};
      answer.add("Allow", "GET, HEAD");
      return answer;
    }
    const bool read = r.verb == http::method::get || r.verb == http::method::head;
    const bool known = r.path() == "/metrics" || r.path() == "/livez";
    if (!known) {
      return api::problem(error{errc::not_found}, r.request_id);
    }
    if (!read) {
      http::response answer = api::problem(error{errc::method_not_allowed}, r.request_id);
      answer.add("Allow", "GET, HEAD");
      return answer;
    }
    if (r.path() == "/livez") {
      return http::response{200, http::json_type, R"({"status":"alive"})"};
    }
    return http::response{200, metrics_type, metrics::render() + process_metrics()};
  }

  http::response reject(const http::rejection& why, const http::request& r) override {
    return api::problem(why, r.request_id);
  }

 private:
  static constexpr std::string_view metrics_type = "text/plain; version=0.0.4; charset=utf-8";
};

}  // namespace coffer::app
