#include "coffer/base/log.hpp"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>

#include <spdlog/async.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include "coffer/base/log_line.hpp"

namespace coffer::log {

namespace {

/// Lines that may wait for a slow reader of stdout; beyond it the oldest are dropped.
constexpr std::size_t queue_limit = 8192;

std::atomic<level> lowest_level{level::info};
std::atomic<bool> as_json{true};
std::atomic<bool> with_colours{false};
std::atomic<bool> started{false};
std::atomic<std::uint64_t> unwritten{0};

/// Lines to stdout, each at once. One that cannot be written is counted: the reader of a pipe may have gone.
class stdout_lines final : public spdlog::sinks::base_sink<std::mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    const bool whole = std::fwrite(line.data(), 1, line.size(), stdout) == line.size() && std::fflush(stdout) == 0;
    if (!whole) {
      std::clearerr(stdout);
      ++unwritten;
    }
  }
  void flush_() override { std::fflush(stdout); }
};

/// Whether colours are wanted where stdout leads (https://no-color.org).
bool wants_colours() {
  const char* const no_colour = std::getenv("NO_COLOR");  // NOLINT(concurrency-mt-unsafe): before any thread starts
  const char* const terminal = std::getenv("TERM");       // NOLINT(concurrency-mt-unsafe): before any thread starts
  const bool refused =
      (no_colour != nullptr && *no_colour != '\0') || (terminal != nullptr && std::string_view{terminal} == "dumb");
  return !refused && ::isatty(STDOUT_FILENO) == 1;
}

/// The asynchronous writer to stdout. Made at the first line.
spdlog::logger& writer() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    spdlog::init_thread_pool(queue_limit, 1);
    auto made =
        std::make_shared<spdlog::async_logger>("coffer", std::make_shared<stdout_lines>(), spdlog::thread_pool(),
                                               spdlog::async_overflow_policy::overrun_oldest);
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
  with_colours = wants_colours();
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
  const std::string line =
      as_json ? json_line(now(), l, event, fields) : text_line(now(), l, event, fields, with_colours);
  writer().log(spdlog::level::info, spdlog::string_view_t{line.data(), line.size()});
}

std::uint64_t dropped() {
  const auto pool = started ? spdlog::thread_pool() : nullptr;
  return unwritten + (pool ? pool->overrun_counter() : 0);
}

void flush() { writer().flush(); }

}  // namespace coffer::log
