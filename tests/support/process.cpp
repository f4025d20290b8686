#include "support/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <regex>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>

#include <fmt/format.h>

namespace coffer::test {

namespace {

/// The variables of the child as execvpe wants them: the test's own, less what would leak settings, plus `env`.
std::vector<std::string> merged_environment(const environment& env) {
  std::vector<std::string> merged;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text{*entry};
    const std::string name{text.substr(0, text.find('='))};
    const bool setting = name.starts_with("COFFER_") || name == "DATABASE_URL" || name == "REDIS_URL";
    if (!setting && !env.contains(name)) {
      merged.emplace_back(text);
    }
  }
  for (const auto& [name, value] : env) {
    merged.push_back(name + "=" + value);
  }
  return merged;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (std::string& text : texts) {
    list.push_back(text.data());
  }
  list.push_back(nullptr);
  return list;
}

struct pipe_pair {
  pipe_pair() {
    if (::pipe2(ends, O_CLOEXEC) != 0) {
      throw std::runtime_error(std::string{"pipe: "} + std::strerror(errno));
    }
  }
  void close_end(int which) {
    if (ends[which] >= 0) {
      ::close(ends[which]);
      ends[which] = -1;
    }
  }
  ~pipe_pair() {
    close_end(0);
    close_end(1);
  }
  int ends[2];
};

}  // namespace

std::string required_env(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') {
    throw std::runtime_error(std::string{name} + " is not set: run the tests with script/test");
  }
  return value;
}

std::string coffer_binary() {
  if (const char* value = std::getenv("COFFER_BINARY"); value != nullptr && *value != '\0') {
    return value;
  }
  const auto program = std::filesystem::read_symlink("/proc/self/exe");
  const auto guess = program.parent_path().parent_path() / "coffer";
  if (!std::filesystem::exists(guess)) {
    throw std::runtime_error("COFFER_BINARY is not set and there is no " + guess.string());
  }
  return guess.string();
}

std::filesystem::path source_root() { return COFFER_SOURCE_ROOT; }

struct process::state {
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::string text[2];
  pid_t pid = -1;
  int start_error = 0;
  bool started = false;
  std::optional<int> exit_code;
  std::jthread reader;

  void start(std::vector<std::string> arguments, const environment& env);
  void supervise(std::vector<std::string>& arguments, std::vector<std::string>& variables);
  void collect(pipe_pair& out, pipe_pair& err);
  void reap();
};

void process::state::start(std::vector<std::string> arguments, const environment& env) {
  auto variables = merged_environment(env);
  // The thread that forks stays until the child ends: PR_SET_PDEATHSIG means the thread, not the process.
  reader = std::jthread{[this, arguments = std::move(arguments), variables = std::move(variables)]() mutable {
    supervise(arguments, variables);
  }};
  std::unique_lock lock{mutex};
  changed.wait(lock, [this] { return started; });
  if (start_error != 0) {
    throw std::runtime_error(std::string{"a program could not be started: "} + std::strerror(start_error));
  }
}

void process::state::supervise(std::vector<std::string>& arguments, std::vector<std::string>& variables) {
  auto argv = pointers(arguments);
  auto envp = pointers(variables);
  pipe_pair out;
  pipe_pair err;
  pipe_pair failed;
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int nothing = ::open("/dev/null", O_RDONLY);
    ::dup2(nothing, STDIN_FILENO);
    ::dup2(out.ends[1], STDOUT_FILENO);
    ::dup2(err.ends[1], STDERR_FILENO);
    if (::getppid() == parent) {
      ::execvpe(argv[0], argv.data(), envp.data());
    }
    const int reason = errno;
    [[maybe_unused]] const auto written = ::write(failed.ends[1], &reason, sizeof reason);
    ::_exit(127);
  }
  int reason = child < 0 ? errno : 0;
  out.close_end(1);
  err.close_end(1);
  failed.close_end(1);
  if (child > 0) {
    [[maybe_unused]] const auto size = ::read(failed.ends[0], &reason, sizeof reason);
  }
  {
    const std::lock_guard lock{mutex};
    pid = child;
    start_error = reason;
    started = true;
  }
  changed.notify_all();
  if (child > 0) {
    collect(out, err);
    reap();
  }
}

void process::state::collect(pipe_pair& out, pipe_pair& err) {
  pipe_pair* sources[2] = {&out, &err};
  char buffer[16384];
  while (out.ends[0] >= 0 || err.ends[0] >= 0) {
    pollfd waits[2] = {{out.ends[0], POLLIN, 0}, {err.ends[0], POLLIN, 0}};
    if (::poll(waits, 2, -1) < 0) {
      continue;
    }
    for (int i = 0; i < 2; ++i) {
      if (waits[i].revents == 0) {
        continue;
      }
      const ssize_t size = ::read(waits[i].fd, buffer, sizeof buffer);
      if (size <= 0) {
        sources[i]->close_end(0);
        continue;
      }
      const std::lock_guard lock{mutex};
      text[i].append(buffer, static_cast<std::size_t>(size));
      changed.notify_all();
    }
  }
}

void process::state::reap() {
  siginfo_t end{};
  while (::waitid(P_PID, static_cast<id_t>(pid), &end, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
  }
  // The zombie keeps its number until here, so that signal(), under the same lock, never meets a stranger.
  const std::lock_guard lock{mutex};
  int status = 0;
  ::waitpid(pid, &status, 0);
  exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  changed.notify_all();
}

process::process(std::vector<std::string> arguments, const environment& env) : state_{std::make_shared<state>()} {
  state_->start(std::move(arguments), env);
}

process::~process() { signal(SIGKILL); }

pid_t process::pid() const noexcept { return state_->pid; }

bool process::running() const {
  const std::lock_guard lock{state_->mutex};
  return !state_->exit_code;
}

void process::signal(int number) const {
  const std::lock_guard lock{state_->mutex};
  if (!state_->exit_code && state_->pid > 0) {
    ::kill(state_->pid, number);
  }
}

std::optional<int> process::wait(std::chrono::milliseconds limit) {
  std::unique_lock lock{state_->mutex};
  state_->changed.wait_for(lock, limit, [this] { return state_->exit_code.has_value(); });
  return state_->exit_code;
}

std::string process::out() const {
  const std::lock_guard lock{state_->mutex};
  return state_->text[0];
}

std::string process::err() const {
  const std::lock_guard lock{state_->mutex};
  return state_->text[1];
}

namespace {

std::optional<std::string> find_line(const std::string& text, const std::vector<std::string>& parts) {
  std::size_t begin = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    const std::string_view line{text.data() + begin, end - begin};
    bool all = true;
    for (const std::string& part : parts) {
      all = all && line.find(part) != std::string_view::npos;
    }
    if (all) {
      return std::string{line};
    }
    begin = end + 1;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> process::wait_for_line(const std::vector<std::string>& parts,
                                                  std::chrono::milliseconds limit) {
  std::unique_lock lock{state_->mutex};
  std::optional<std::string> found;
  state_->changed.wait_for(lock, limit, [&] {
    found = find_line(state_->text[0], parts);
    return found || state_->exit_code;
  });
  return found;
}

std::string credential_in(const std::string& text) {
  // How each begins, and what it looks like from there: a key behind its kind, a token's header and claims, what
  // stands between a URL's : and @.
  static const std::pair<std::string_view, std::regex> credentials[] = {
      {"cof_", std::regex{R"(cof_(live|test)_[0-9A-Za-z]{20,64})"}},
      {"eyJ", std::regex{R"(eyJ[\w-]{8,200}\.[\w-]{8,1000}\.)"}},
      {"://", std::regex{R"(://[^\s/"@:]{0,100}:[^\s/"@]{1,100}@)"}},
  };
  for (const auto& [beginning, form] : credentials) {
    for (auto at = text.find(beginning); at != std::string::npos; at = text.find(beginning, at + 1)) {
      std::smatch found;
      if (std::regex_search(text.begin() + static_cast<std::ptrdiff_t>(at), text.end(), found, form,
                            std::regex_constants::match_continuous)) {
        return found.str();
      }
    }
  }
  return "";
}

outcome run(std::vector<std::string> arguments, const environment& env, std::chrono::milliseconds limit) {
  const std::string name = arguments.at(0);
  process child{std::move(arguments), env};
  const auto code = child.wait(limit);
  if (!code) {
    throw std::runtime_error(name + " did not end in time; stdout:\n" + child.out() + "\nstderr:\n" + child.err());
  }
  return {*code, child.out(), child.err()};
}

outcome run_coffer(std::vector<std::string> arguments, const environment& env, std::chrono::milliseconds limit) {
  arguments.insert(arguments.begin(), coffer_binary());
  return run(std::move(arguments), env, limit);
}

std::int64_t resident_kib(pid_t pid) {
  std::ifstream status{fmt::format("/proc/{}/status", pid)};
  for (std::string word; status >> word;) {
    if (word == "VmRSS:") {
      std::int64_t size = 0;
      status >> size;
      return size;
    }
  }
  return 0;
}

}  // namespace coffer::test
