// The kinds of settings: how each is read, checked and shown. Only for the settings_table files.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "coffer/app/settings_table.hpp"
#include "coffer/app/settings_values.hpp"

namespace coffer::app::setting_kinds {

// A reference to a member, for const and mutable settings alike.
#define COFFER_MEMBER(name) ([](auto& s) -> auto& { return s.name; })

using outcome = std::expected<void, std::string>;
using std::chrono::milliseconds;

/// A setting without its range and accessors.
inline setting_spec named(const char* flag, const char* variable, const char* group, const char* help) {
  return {.flag = flag, .variable = variable, .group = group, .help = help, .shape = {}, .set = {}, .show = {}};
}

/// A whole number. `member` gives a reference to it in settings.
template <typename Member>
setting_spec integer(setting_spec spec, Member member, std::int64_t lowest, std::int64_t highest) {
  spec.shape = fmt::format("{}..{}", lowest, highest);
  spec.set = [=](settings& s, std::string_view text) -> outcome {
    const auto value = parse_integer(text);
    if (!value || *value < lowest || *value > highest) {
      return std::unexpected{fmt::format("a whole number from {} to {}", lowest, highest)};
    }
    member(s) = static_cast<std::remove_cvref_t<decltype(member(s))>>(*value);
    return {};
  };
  spec.show = [=](const settings& s) { return fmt::format("{}", member(s)); };
  spec.lowest = fmt::format("{}", lowest);
  spec.highest = fmt::format("{}", highest);
  spec.below = fmt::format("{}", lowest - 1);
  spec.above = fmt::format("{}", highest + 1);
  return spec;
}

template <typename Member>
setting_spec size(setting_spec spec, Member member, std::size_t lowest, std::size_t highest) {
  spec.shape = fmt::format("{}..{}", format_size(lowest), format_size(highest));
  spec.set = [=](settings& s, std::string_view text) -> outcome {
    const auto value = parse_size(text);
    if (!value || *value < lowest || *value > highest) {
      return std::unexpected{fmt::format("a number of bytes from {} to {}, such as 4096 or 16KiB", format_size(lowest),
                                         format_size(highest))};
    }
    member(s) = *value;
    return {};
  };
  spec.show = [=](const settings& s) { return format_size(member(s)); };
  spec.lowest = format_size(lowest);
  spec.highest = format_size(highest);
  spec.below = format_size(lowest - 1);
  spec.above = format_size(highest + 1);
  return spec;
}

template <typename Member>
setting_spec duration(setting_spec spec, Member member, milliseconds lowest, milliseconds highest) {
  spec.shape = fmt::format("{}..{}", format_duration(lowest), format_duration(highest));
  spec.set = [=](settings& s, std::string_view text) -> outcome {
    using target = std::remove_cvref_t<decltype(member(s))>;
    const auto value = parse_duration(text);
    const bool whole = value && *value % target{1} == milliseconds{0};
    if (!whole || *value < lowest || *value > highest) {
      return std::unexpected{fmt::format("a duration from {} to {} with its unit (ms, s, m, h), such as 5s",
                                         format_duration(lowest), format_duration(highest))};
    }
    member(s) = std::chrono::duration_cast<target>(*value);
    return {};
  };
  spec.show = [=](const settings& s) { return format_duration(member(s)); };
  spec.lowest = format_duration(lowest);
  spec.highest = format_duration(highest);
  if (lowest > milliseconds{0}) {
    spec.below = format_duration(lowest - milliseconds{1});
  }
  spec.above = format_duration(highest + milliseconds{1});
  return spec;
}

template <typename Member>
setting_spec on_off(setting_spec spec, Member member) {
  spec.shape = "on|off";
  spec.set = [=](settings& s, std::string_view text) -> outcome {
    const auto value = parse_switch(text);
    if (!value) {
      return std::unexpected{std::string{"on or off (or 1, 0, true, false)"}};
    }
    member(s) = *value;
    return {};
  };
  spec.show = [=](const settings& s) { return member(s) ? "on" : "off"; };
  return spec;
}

/// One of a few words, each standing for a value.
template <typename Member, typename Value, std::size_t Count>
setting_spec choice(setting_spec spec, Member member, std::array<std::pair<const char*, Value>, Count> words) {
  for (const auto& [word, value] : words) {
    spec.shape.append(spec.shape.empty() ? "" : "|").append(word);
  }
  spec.set = [=, shape = spec.shape](settings& s, std::string_view text) -> outcome {
    const auto found = std::ranges::find_if(words, [&](const auto& each) { return each.first == text; });
    if (found == words.end()) {
      return std::unexpected{"one of " + shape};
    }
    member(s) = found->second;
    return {};
  };
  spec.show = [=](const settings& s) -> std::string {
    return std::ranges::find_if(words, [&](const auto& each) { return each.second == member(s); })->first;
  };
  return spec;
}

/// Text that a predicate accepts. With `optional`, "none" stands for the empty text.
template <typename Member>
setting_spec text(setting_spec spec, Member member, const char* shape, const char* rule, bool optional,
                  bool (*accepts)(std::string_view)) {
  spec.shape = shape;
  spec.set = [=](settings& s, std::string_view value) -> outcome {
    if (optional && value == "none") {
      member(s).clear();
      return {};
    }
    if (!accepts(value)) {
      return std::unexpected{fmt::format("{}{}", rule, optional ? ", or none" : "")};
    }
    member(s) = value;
    return {};
  };
  spec.show = [=](const settings& s) { return optional && member(s).empty() ? std::string{"none"} : member(s); };
  return spec;
}

/// The name of a file, or none.
template <typename Member>
setting_spec file(setting_spec spec, Member member) {
  return text(std::move(spec), member, "FILE", "the name of a file", true, [](std::string_view value) {
    return !value.empty() && std::ranges::all_of(value, [](unsigned char c) { return c >= 0x20; });
  });
}

/// Who may come in, and how often: the groups Access and Rate limits.
void add_access(std::vector<setting_spec>& all);

}  // namespace coffer::app::setting_kinds
