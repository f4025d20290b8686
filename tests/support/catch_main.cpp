// The entry point of every test program, and two listeners. One writes a line per event of a test case to the file
// named by COFFER_TEST_REPORT ("start NAME", "passed NAME", "failed NAME", "skipped NAME"), so that a program that
// dies still tells which cases had run and which one was running. The other ends the program at an assertion that is
// not made by the main thread. Must not know what is tested.
#ifdef COFFER_CATCH2_V2
#define CATCH_CONFIG_MAIN
#endif
#include "support/catch.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

namespace {

#ifdef COFFER_CATCH2_V2
using listener_base = Catch::TestEventListenerBase;
bool was_skipped(const Catch::TestCaseStats&) { return false; }
#else
using listener_base = Catch::EventListenerBase;
bool was_skipped(const Catch::TestCaseStats& stats) { return stats.totals.testCases.skipped > 0; }
#endif

/// Appends to the report; one write per line, so nothing is lost when the program crashes afterwards.
class report_listener : public listener_base {
 public:
  using listener_base::listener_base;
  report_listener(const report_listener&) = delete;
  report_listener& operator=(const report_listener&) = delete;

  ~report_listener() override {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  void testCaseStarting(const Catch::TestCaseInfo& info) override {
    if (const char* path = std::getenv("COFFER_TEST_REPORT"); path != nullptr && descriptor_ < 0) {
      descriptor_ = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    }
    append("start", info.name);
  }

  void testCaseEnded(const Catch::TestCaseStats& stats) override {
    const char* outcome = was_skipped(stats) ? "skipped" : stats.totals.testCases.allOk() ? "passed" : "failed";
    append(outcome, stats
                        .testInfo
#ifdef COFFER_CATCH2_V2
                        .name
#else
                        ->name
#endif
    );
  }

 private:
  void append(const char* event, std::string name) {
    if (descriptor_ < 0) return;
    for (char& c : name) {
      if (c == '\n') c = ' ';
    }
    const std::string line = std::string{event} + ' ' + name + '\n';
    // A report that cannot be written shows as "no test ran", which is a failure; there is nothing to do here.
    [[maybe_unused]] const auto written = ::write(descriptor_, line.data(), line.size());
  }

  int descriptor_ = -1;
};

/// Catch2 2 keeps the assertion at hand in plain members: one from a second thread is a data race that is rarely seen.
/// So it is an error every time, and told with its place.
class main_thread_listener : public listener_base {
 public:
  using listener_base::listener_base;

  void assertionStarting(const Catch::AssertionInfo& info) override {
    if (std::this_thread::get_id() == main_) return;
    std::fprintf(stderr, "%s:%zu: assertions belong to the main thread: return the value and check it there\n",
                 info.lineInfo.file, info.lineInfo.line);
    std::abort();
  }

 private:
  std::thread::id main_ = std::this_thread::get_id();
};

CATCH_REGISTER_LISTENER(report_listener)
CATCH_REGISTER_LISTENER(main_thread_listener)

}  // namespace
