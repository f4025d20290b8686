#include "coffer/base/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "coffer/base/log.hpp"

namespace coffer::metrics {

namespace {

/// The process's registry. Never destroyed: handles are used until the very end.
prometheus::Registry& registry() {
  static auto* instance = new prometheus::Registry;
  return *instance;
}

prometheus::Labels to_labels(const labels& l) { return {l.begin(), l.end()}; }

template <typename Metric>
Metric& as(void* impl) {
  return *static_cast<Metric*>(impl);
}

}  // namespace

void counter::add(double amount) const { as<prometheus::Counter>(impl_).Increment(amount); }
double counter::value() const { return as<prometheus::Counter>(impl_).Value(); }

void gauge::set(double value) const { as<prometheus::Gauge>(impl_).Set(value); }
void gauge::add(double amount) const { as<prometheus::Gauge>(impl_).Increment(amount); }
double gauge::value() const { return as<prometheus::Gauge>(impl_).Value(); }

void histogram::observe(double value) const { as<prometheus::Histogram>(impl_).Observe(value); }

counter make_counter(std::string_view name, std::string_view help, const labels& l) {
  auto& family = prometheus::BuildCounter().Name(std::string{name}).Help(std::string{help}).Register(registry());
  return counter{&family.Add(to_labels(l))};
}

gauge make_gauge(std::string_view name, std::string_view help, const labels& l) {
  auto& family = prometheus::BuildGauge().Name(std::string{name}).Help(std::string{help}).Register(registry());
  return gauge{&family.Add(to_labels(l))};
}

void remove_gauge(std::string_view name, std::string_view help, const gauge& of) {
  auto& family = prometheus::BuildGauge().Name(std::string{name}).Help(std::string{help}).Register(registry());
  family.Remove(&as<prometheus::Gauge>(of.impl_));
}

histogram make_histogram(std::string_view name, std::string_view help, std::vector<double> bounds, const labels& l) {
  auto& family = prometheus::BuildHistogram().Name(std::string{name}).Help(std::string{help}).Register(registry());
  return histogram{&family.Add(to_labels(l), std::move(bounds))};
}

std::string render() {
  // The log's own counter is read here, because the log cannot depend on the metrics that report about it.
  static const counter dropped = make_counter(
      "coffer_log_lines_dropped_total", "Log lines dropped because the reader of stdout was too slow or had gone");
  dropped.add(static_cast<double>(log::dropped()) - dropped.value());
  return prometheus::TextSerializer{}.Serialize(registry().Collect());
}

}  // namespace coffer::metrics
