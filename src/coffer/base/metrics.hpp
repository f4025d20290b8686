// Counters, gauges and histograms of the process, rendered as Prometheus text. Handles are cheap to keep and
// thread-safe to use; look them up once (a static or a member), not per event.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace coffer::metrics {

/// Label names and values of one series. Values must come from a bounded set.
using labels = std::vector<std::pair<std::string, std::string>>;

/// A number that only grows. Names end in _total.
class counter {
 public:
  explicit counter(void* impl) : impl_{impl} {}
  void add(double amount = 1) const;
  [[nodiscard]] double value() const;

 private:
  void* impl_;
};

/// A number that goes up and down.
class gauge {
 public:
  explicit gauge(void* impl) : impl_{impl} {}
  void set(double value) const;
  void add(double amount) const;
  [[nodiscard]] double value() const;

 private:
  friend void remove_gauge(std::string_view name, std::string_view help, const gauge& of);
  void* impl_;
};

/// Counts observations into buckets.
class histogram {
 public:
  explicit histogram(void* impl) : impl_{impl} {}
  void observe(double value) const;

 private:
  void* impl_;
};

/// The series of that name and labels, made at the first call. Same name, same help.
counter make_counter(std::string_view name, std::string_view help, const labels& l = {});
gauge make_gauge(std::string_view name, std::string_view help, const labels& l = {});
/// Ends a series; the handle is of no use any more.
void remove_gauge(std::string_view name, std::string_view help, const gauge& of);
histogram make_histogram(std::string_view name, std::string_view help, std::vector<double> bounds,
                         const labels& l = {});

/// All series in Prometheus text exposition format 0.0.4.
std::string render();

}  // namespace coffer::metrics
