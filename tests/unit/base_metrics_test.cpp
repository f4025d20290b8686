#include "coffer/base/metrics.hpp"

#include "support/catch.hpp"

namespace base_metrics_test {

using namespace coffer;

namespace {

/// Whether the rendered text holds this line.
bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

TEST_CASE("a counter is rendered with help, type and value") {
  const auto counter = metrics::make_counter("test_orders_total", "Orders seen.");
  counter.add();
  counter.add(2);
  CHECK(counter.value() == 3);
  const std::string text = metrics::render();
  CHECK(has_line(text, "# HELP test_orders_total Orders seen."));
  CHECK(has_line(text, "# TYPE test_orders_total counter"));
  CHECK(has_line(text, "test_orders_total 3"));
}

TEST_CASE("the same name and labels are the same series, other labels another") {
  const auto first = metrics::make_counter("test_labelled_total", "Labelled.", {{"kind", "a"}});
  const auto again = metrics::make_counter("test_labelled_total", "Labelled.", {{"kind", "a"}});
  const auto other = metrics::make_counter("test_labelled_total", "Labelled.", {{"kind", "b"}});
  first.add();
  again.add();
  CHECK(first.value() == 2);
  CHECK(other.value() == 0);
  const std::string text = metrics::render();
  CHECK(has_line(text, "test_labelled_total{kind=\"a\"} 2"));
  CHECK(has_line(text, "test_labelled_total{kind=\"b\"} 0"));
}

TEST_CASE("a gauge goes up and down") {
  const auto gauge = metrics::make_gauge("test_level", "Level.");
  gauge.set(5);
  gauge.add(-7);
  CHECK(gauge.value() == -2);
  CHECK(has_line(metrics::render(), "test_level -2"));
}

TEST_CASE("a histogram counts into cumulative buckets") {
  const auto histogram = metrics::make_histogram("test_seconds", "Seconds.", {0.5, 1});
  histogram.observe(0.25);
  histogram.observe(0.5);
  histogram.observe(2);
  const std::string text = metrics::render();
  CHECK(has_line(text, "test_seconds_bucket{le=\"0.5\"} 2"));
  CHECK(has_line(text, "test_seconds_bucket{le=\"1\"} 2"));
  CHECK(has_line(text, "test_seconds_bucket{le=\"+Inf\"} 3"));
  CHECK(has_line(text, "test_seconds_count 3"));
  CHECK(has_line(text, "test_seconds_sum 2.75"));
}

TEST_CASE("a label's value cannot break the exposition") {
  const auto counter = metrics::make_counter("test_escaped_total", "Escaped.", {{"v", "a\"b\\c\nd"}});
  counter.add();
  CHECK(has_line(metrics::render(), R"(test_escaped_total{v="a\"b\\c\nd"} 1)"));
}

TEST_CASE("lines that the log has dropped are among the metrics") {
  CHECK(has_line(metrics::render(), "# TYPE coffer_log_lines_dropped_total counter"));
}

}  // namespace base_metrics_test
