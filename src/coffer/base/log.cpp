#include "coffer/base/log.hpp"

#include <unistd.h>

#include <atomic>
#include <string>

#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "coffer/base/log_line.hpp"

namespace coffer::log {

namespace {

/// Lines that may wait for a slow reader of stdout; beyond it the oldest are dropped.
constexpr std::size_t queue_limit = 8192;

std::atomic<level> lowest_level{level::info};
std::atomic<bool> as_json{true};
std::atomic<bool> started{false};

/// The asynchronous writer to stdout. Made at the first line.
spdlog::logger& writer() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    spdlog::init_thread_pool(queue_limit, 1);
    auto made =
        std::make_shared<spdlog::async_logger>("coffer", std::make_shared<spdlog::sinks::stdout_sink_mt>(),
                                               spdlog::thread_pool(), spdlog::async_overflow_policy::overrun_oldest);
    made->set_pattern("%v");
    made->set_level(spdlog::level::trace);
    spdlog::register_logger(made);
    spdlog::flush_every(std::chrono::seconds{1});
    started = true;
    return made;
  }();
  return *instance;
}

}  // namespace

void configure(level lowest, format how) {
  lowest_level = lowest;
  as_json = how == format::json || (how == format::automatic && ::isatty(STDOUT_FILENO) == 0);
}

bool enabled(level l) noexcept { return l >= lowest_level.load(std::memory_order_relaxed); }

void write(level l, std::string_view event, std::initializer_list<field> fields) {
  if (enabled(l)) {
    write_buffered(l, event, fields);
    writer().flush();
  }
}

void write_buffered(level l, std::string_view event, std::initializer_list<field> fields) {
  if (!enabled(l)) {
    return;
  }
  // The finished line is an argument, never a format: it may contain braces.
  const std::string line = as_json ? json_line(now(), l, event, fields) : text_line(now(), l, event, fields);
  writer().log(spdlog::level::info, spdlog::string_view_t{line.data(), line.size()});
}

std::uint64_t dropped() {
  const auto pool = started ? spdlog::thread_pool() : nullptr;
  return pool ? pool->overrun_counter() : 0;
}

void flush() { writer().flush(); }

}  // namespace coffer::log
