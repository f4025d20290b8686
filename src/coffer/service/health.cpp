#include "coffer/service/health.hpp"

namespace coffer::service {

namespace {

using namespace std::chrono_literals;

/// How long a look at the database counts.
constexpr auto freshness = 1s;
/// How long a look may take: a probe's own time-out is often a second or two.
constexpr auto patience = 1s;

}  // namespace

net::task<std::string> health::look(net::deadline until) {
  std::optional<pg::error> failure;
  try {
    const auto work = [this, until](pg::connection& db) { return check_(db, until); };
    co_return co_await with_connection(db_, until, true, work);
  } catch (const pg::error& e) {
    failure.emplace(e);
  }
  co_return "the database does not answer (SQLSTATE " + pg::to_string(failure->state()) +
      "); check that it runs and DATABASE_URL points to it";
}

net::task<health_report> health::check(net::deadline until) {
  const auto now = std::chrono::steady_clock::now();
  if (looked_at_ == std::chrono::steady_clock::time_point{} || now - looked_at_ >= freshness) {
    last_ = co_await look(std::min(until, now + patience));
    looked_at_ = std::chrono::steady_clock::now();
  }
  health_report report;
  report.database = last_.empty();
  report.draining = draining_.load();
  report.ready = report.database && !report.draining;
  report.message = report.draining ? "the server is shutting down" : last_;
  report.cache = cache_state_();
  co_return report;
}

}  // namespace coffer::service
