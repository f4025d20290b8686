// Makes a scenario that fails smaller, as long as it fails.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "checker.hpp"

namespace coffer::simulation {

/// What a run gave.
struct outcome {
  std::vector<std::string> violations;
  std::vector<std::string> lines;  ///< what happened, if it was to be read
  std::uint64_t hash = 0;
  std::size_t events = 0;
  std::size_t commands = 0;
};

/// Runs a scenario and checks it.
inline outcome run_once(const scenario& s, bool readable = false) {
  world w{s, readable};
  if (!w.run()) {
    w.violations.emplace_back("something never ended");
  }
  checker{w}.run();
  return {std::move(w.violations), w.below.events.lines(), w.below.events.hash(), w.below.events.events(),
          w.attempts.size()};
}

namespace detail {

/// A violation without its numbers.
inline std::string kind_of(std::string violation) {
  std::erase_if(violation, [](char c) { return c >= '0' && c <= '9'; });
  return violation;
}

/// Looks for smaller scenarios that break the same promise.
class shrinker {
 public:
  shrinker(scenario s, const std::string& violation) : best_{std::move(s)}, kind_{kind_of(violation)} {}

  scenario run();

 private:
  bool fails(const scenario& s);
  template <typename Element>
  void shorten(std::vector<Element> scenario::* list);
  template <typename Change>
  void simplify(Change change);

  scenario best_;
  std::string kind_;
  int runs_ = 3000;
};

inline bool shrinker::fails(const scenario& s) {
  --runs_;
  return std::ranges::any_of(run_once(s).violations, [this](const std::string& v) { return kind_of(v) == kind_; });
}

/// Leaves out pieces of a list, large ones first.
template <typename Element>
void shrinker::shorten(std::vector<Element> scenario::* list) {
  for (std::size_t size = (best_.*list).size(); size > 0; size /= 2) {
    for (std::size_t at = 0; at < (best_.*list).size() && runs_ > 0;) {
      scenario smaller = best_;
      auto& from = smaller.*list;
      const auto first = from.begin() + static_cast<std::ptrdiff_t>(at);
      from.erase(first, first + static_cast<std::ptrdiff_t>(std::min(size, from.size() - at)));
      if (fails(smaller)) {
        best_ = std::move(smaller);
      } else {
        at += size;
      }
    }
  }
}

template <typename Change>
void shrinker::simplify(Change change) {
  scenario smaller = best_;
  change(smaller);
  if (runs_ > 0 && fails(smaller)) {
    best_ = std::move(smaller);
  }
}

inline scenario shrinker::run() {
  for (std::size_t before = 0; before != best_.wishes.size() + best_.disturbances.size();) {
    before = best_.wishes.size() + best_.disturbances.size();
    shorten(&scenario::disturbances);
    shorten(&scenario::wishes);
    simplify([](scenario& s) { s.probes = false; });
    simplify([](scenario& s) { s.lanes = 1; });
    simplify([](scenario& s) { s.queue_limit = 1024; });
    simplify([](scenario& s) { s.db.synchronous = false; });
    for (std::size_t i = 0; i < best_.wishes.size(); ++i) {
      simplify([i](scenario& s) { s.wishes[i].tries = 1; });
      simplify([i](scenario& s) {
        s.wishes[i].commands.resize(1);
        s.wishes[i].commands.front().together = 1;
      });
    }
  }
  return std::move(best_);
}

}  // namespace detail

/// A smaller scenario that breaks the same promise.
inline scenario shrink(scenario s, const std::string& violation) {
  return detail::shrinker{std::move(s), violation}.run();
}

}  // namespace coffer::simulation
