// The command line of the simulation. script/simulate builds and runs it, and has the help.
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <span>
#include <string>
#include <string_view>

#include "shrink.hpp"

namespace {

using namespace coffer::simulation;
using wall_clock = std::chrono::steady_clock;

/// The seed that runs, for the last words of a program that an assertion ends.
volatile std::uint64_t running_seed = 0;

void tell_seed(int) {
  char text[64] = "aborted at seed ";
  char* end = std::to_chars(text + 16, text + 60, static_cast<std::uint64_t>(running_seed)).ptr;
  *end++ = '\n';
  static_cast<void>(!::write(STDERR_FILENO, text, static_cast<std::size_t>(end - text)));
}

/// Standard error is for people; the file of COFFER_TEST_REPORT is what script/lib/runs.sh counts.
class report {
 public:
  report() {
    if (const char* name = std::getenv("COFFER_TEST_REPORT")) {
      file_.open(name, std::ios::app);
    }
  }

  template <typename... Args>
  void say(fmt::format_string<Args...> text, Args&&... args) {
    const std::string line = fmt::format(text, std::forward<Args>(args)...) + "\n";
    std::fputs(line.c_str(), stderr);
  }
  void start(std::string_view name) { file_ << "start " << name << std::endl; }
  void end(std::string_view name, bool passed) {
    file_ << (passed ? "passed " : "failed ") << name << std::endl;
    all_passed_ = all_passed_ && passed;
  }
  [[nodiscard]] bool all_passed() const { return all_passed_; }

 private:
  std::ofstream file_;
  bool all_passed_ = true;
};

outcome run_seed(std::uint64_t seed, mutant wrong, bool readable = false) {
  running_seed = seed;
  scenario s = make_scenario(seed);
  s.wrong = wrong;
  return run_once(s, readable);
}

std::string_view name_of(mutant wrong) {
  const auto* known = std::ranges::find(mutants, wrong, &mutant_description::which);
  return known == mutants.end() ? "" : known->name;
}

/// Prints the smallest failing run that is found for the seed, and how it is done again.
void explain(report& to, std::uint64_t seed, mutant wrong) {
  scenario s = make_scenario(seed);
  s.wrong = wrong;
  const std::vector<std::string> violations = run_once(s).violations;
  for (const std::string& v : violations) {
    to.say("  {}", v);
  }
  if (violations.empty()) {
    return;
  }
  const scenario small = shrink(s, violations.front());
  const outcome shown = run_once(small, true);
  to.say("  made smaller ({} requests, {} disturbances, {} processes):", small.wishes.size(), small.disturbances.size(),
         small.processes);
  for (const std::string& line : shown.lines) {
    to.say("    {}", line);
  }
  for (const std::string& v : shown.violations) {
    to.say("  {}", v);
  }
  to.say("  again: script/simulate --seed {}{}{}", seed, wrong == mutant::none ? "" : " --mutant ", name_of(wrong));
}

/// One seed, twice.
void try_seed(report& to, std::uint64_t seed, mutant wrong) {
  const std::string name = fmt::format("seed {}", seed);
  to.start(name);
  const outcome once = run_seed(seed, wrong), twice = run_seed(seed, wrong);
  if (once.hash != twice.hash) {
    to.say("{}: two runs differ: {:016x} and {:016x}", name, once.hash, twice.hash);
  }
  if (!once.violations.empty()) {
    to.say("{} breaks a promise:", name);
    explain(to, seed, wrong);
  } else {
    to.say("{}: {} commands, {} events, trace {:016x}", name, once.commands, once.events, once.hash);
  }
  to.end(name, once.hash == twice.hash && once.violations.empty());
}

/// Everything that may happen in a run.
std::vector<std::string> to_be_met() {
  std::vector<std::string> all = {"a lost commit that is there", "a lost commit that is not there", "57014", "55P03"};
  for (const auto& [name, model] : all_statements()) {
    all.emplace_back(name);
  }
  for (auto m = static_cast<int>(mishap::cut_before); m <= static_cast<int>(mishap::refused); ++m) {
    all.emplace_back(name_of(static_cast<mishap>(m)));
  }
  for (auto k = 0; k <= static_cast<int>(disturbance::kind::restart); ++k) {
    all.emplace_back(name_of(static_cast<disturbance::kind>(k)));
  }
  return all;
}

/// Fresh seeds, as many as there is time for; each hundredth runs twice.
void try_many(report& to, std::uint64_t first, std::chrono::seconds limit) {
  const std::string name = "fresh seeds";
  to.start(name);
  const auto began = wall_clock::now();
  std::uint64_t count = 0, commands = 0, failures = 0;
  for (std::uint64_t seed = first; wall_clock::now() - began < limit && failures < 3; ++seed, ++count) {
    const outcome once = run_seed(seed, mutant::none);
    commands += once.commands;
    bool good = once.violations.empty();
    if (seed % 100 == 0 && run_seed(seed, mutant::none).hash != once.hash) {
      to.say("seed {}: two runs differ", seed);
      good = false;
    }
    if (!good) {
      ++failures;
      to.say("seed {} breaks a promise; write it into tests/simulation/seeds.txt:", seed);
      explain(to, seed, mutant::none);
    }
  }
  // A simulation that has lost sight of something is of no use.
  constexpr std::uint64_t enough = 10'000;
  for (const std::string& what : to_be_met()) {
    if (count >= enough && !met().contains(what)) {
      to.say("never met: {}", what);
      ++failures;
    }
  }
  const double minutes = std::chrono::duration<double>(wall_clock::now() - began).count() / 60;
  to.say("{} seeds from {} on, {} commands, {:.0f} seeds a minute", count, first, commands,
         static_cast<double>(count) / minutes);
  to.end(name, failures == 0);
}

/// Whether seeds find the mutant, within a minute.
void try_mutant(report& to, const mutant_description& wrong, std::uint64_t first) {
  const std::string name = fmt::format("mutant {}", wrong.name);
  to.start(name);
  const auto began = wall_clock::now();
  const auto past = [began] { return std::chrono::duration<double>(wall_clock::now() - began).count(); };
  bool found = false;
  std::uint64_t seed = first;
  while (!found && past() < 60) {
    const outcome once = run_seed(seed, wrong.which);
    found = !once.violations.empty();
    if (found) {
      to.say("{}: found by seed {} after {:.2f} s ({}): {}", name, seed, past(), wrong.what, once.violations.front());
    }
    ++seed;
  }
  if (!found) {
    to.say("{}: not found by {} seeds ({})", name, seed - first, wrong.what);
  }
  to.end(name, found);
}

}  // namespace

int main(int argc, char** argv) {
  const std::span<char*> words{argv, static_cast<std::size_t>(argc)};
  std::chrono::seconds limit{60};
  std::optional<std::uint64_t> seed;
  mutant wrong = mutant::none;
  bool all_mutants = false, fresh = false;
  std::string seeds_file;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string_view word = words[i];
    const char* value = i + 1 < words.size() ? words[i + 1] : "";
    if (word == "--mutants") {
      all_mutants = true;
      continue;
    }
    ++i;
    if (word == "--seconds") {
      limit = std::chrono::seconds{std::atoll(value)};
      fresh = true;
    } else if (word == "--seed") {
      seed = std::strtoull(value, nullptr, 10);
    } else if (word == "--seeds-of") {
      seeds_file = value;
    } else if (word == "--mutant") {
      for (const mutant_description& m : mutants) {
        wrong = m.name == value ? m.which : wrong;
      }
    }
  }
  std::signal(SIGABRT, tell_seed);
  // What the lanes log is of no use here.
  coffer::log::configure(coffer::log::level::error, coffer::log::format::automatic);
  static_cast<void>(!std::freopen("/dev/null", "w", stdout));
  report to;
  std::ifstream known{seeds_file};
  for (std::string line; std::getline(known, line);) {
    if (!line.empty() && line.front() != '#') {
      try_seed(to, std::strtoull(line.c_str(), nullptr, 10), wrong);
    }
  }
  if (seed && !fresh) {
    try_seed(to, *seed, wrong);
  }
  if (all_mutants) {
    for (const mutant_description& m : mutants) {
      try_mutant(to, m, seed.value_or(1));
    }
  }
  if (fresh) {
    try_many(to, seed.value_or(std::random_device{}()), limit);
  }
  return to.all_passed() ? 0 : 1;
}
