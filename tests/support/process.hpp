// Child processes of the tests: started with an environment, their output collected, never left behind.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace coffer::test {

/// Variables for a child, on top of the test's own environment less every COFFER_* variable, DATABASE_URL and
/// REDIS_URL: what a child sees of those is what the test names.
using environment = std::map<std::string, std::string>;

/// The value of an environment variable; throws std::runtime_error naming it when it is unset or empty.
std::string required_env(const char* name);

/// The built binary, from COFFER_BINARY (set by Meson's test runner), else build/coffer beside the test program.
std::string coffer_binary();

/// The folder with README.md, script/ and docs/, for tests that hold them against the server.
std::filesystem::path source_root();

/// A running program. Its stdout and stderr are collected as they come. Killed, with SIGKILL, by the destructor and
/// when the test program dies. Thread-safe.
class process {
 public:
  /// Starts `arguments[0]` (searched in PATH when it has no slash). Throws std::runtime_error when that fails.
  process(std::vector<std::string> arguments, const environment& env);
  ~process();
  process(const process&) = delete;
  process& operator=(const process&) = delete;

  [[nodiscard]] pid_t pid() const noexcept;
  [[nodiscard]] bool running() const;
  void signal(int number) const;

  /// Waits for the end. The exit code, or 128 + the signal that ended it; nullopt when it runs on after `limit`.
  std::optional<int> wait(std::chrono::milliseconds limit);

  /// What it has written so far.
  [[nodiscard]] std::string out() const;
  [[nodiscard]] std::string err() const;

  /// The first whole line of stdout that contains every one of `parts`, waiting for it; nullopt when none came within
  /// `limit` or before the end.
  std::optional<std::string> wait_for_line(const std::vector<std::string>& parts, std::chrono::milliseconds limit);

 private:
  struct state;
  std::shared_ptr<state> state_;
};

/// Whether a text (what a program wrote, a body) has that part.
inline bool says(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

/// The first credential that a text shows, or "": a whole key, a player's token, a password in a URL. No program may
/// write one to its log.
std::string credential_in(const std::string& text);

/// How a program ended.
struct outcome {
  int exit_code = -1;
  std::string out;
  std::string err;
};

/// Runs a program to its end; kills it and throws std::runtime_error when that takes longer than `limit`.
outcome run(std::vector<std::string> arguments, const environment& env = {},
            std::chrono::milliseconds limit = std::chrono::seconds{30});

/// run() with the built binary, e.g. run_coffer({"migrate", "up"}, {{"DATABASE_URL", db.url()}}).
outcome run_coffer(std::vector<std::string> arguments, const environment& env = {},
                   std::chrono::milliseconds limit = std::chrono::seconds{30});

/// The memory that a process has in use, in KiB; 0 when there is no such process.
std::int64_t resident_kib(pid_t pid);

/// Whether resident_kib() says anything: AddressSanitizer keeps what is freed for a while, up to 256 MiB (its
/// quarantine_size_mb).
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool memory_tells = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool memory_tells = false;
#else
inline constexpr bool memory_tells = true;
#endif
#else
inline constexpr bool memory_tells = true;
#endif

}  // namespace coffer::test
