// Files that hold settings: variables as systemd's EnvironmentFile= has them, and a single secret each.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <expected>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "coffer/base/ascii.hpp"

namespace coffer::app {

namespace detail {

inline constexpr std::string_view white_space = " \t\r\n";

inline bool is_variable_name(std::string_view name) {
  const auto is_part = [](char c) { return c == '_' || ascii::is_alphanumeric(c); };
  return !name.empty() && !ascii::is_digit(name[0]) && std::ranges::all_of(name, is_part);
}

/// Reads values out of the text of a file, character by character.
class env_reader {
 public:
  explicit env_reader(std::string_view text) : text_{text} {}

  /// Goes to the next line that is no comment. False at the end.
  bool find_line() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#' || c == ';') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (white_space.find(c) != std::string_view::npos) {
        take();
      } else {
        return true;
      }
    }
    return false;
  }

  /// What stands before the '='; nullopt when the line has none.
  std::optional<std::string_view> name() {
    const std::size_t end = text_.find_first_of("=\n", at_);
    if (end == std::string_view::npos || text_[end] == '\n') {
      return std::nullopt;
    }
    const std::string_view found = text_.substr(at_, end - at_);
    at_ = end + 1;
    return found;
  }

  /// What stands behind it; nullopt when a quote is not closed.
  std::optional<std::string> value() {
    std::string out;
    std::size_t solid = 0;  // up to here white space belongs to the value
    bool begins = true;     // where a quote opens
    while (at_ < text_.size() && text_[at_] != '\n') {
      const char c = take();
      if (begins && (c == '\'' || c == '"')) {
        if (!quoted(c, out)) {
          return std::nullopt;
        }
        solid = out.size();
      } else if (c == '\\' && at_ < text_.size()) {
        const char kept = take();
        if (kept != '\n') {
          out += kept;
          solid = out.size();
          begins = false;
        }
      } else if (white_space.find(c) != std::string_view::npos) {
        if (!begins) {
          out += c;
        }
      } else {
        out += c;
        solid = out.size();
        begins = false;
      }
    }
    out.resize(solid);
    return out;
  }

  [[nodiscard]] std::size_t line() const { return line_; }

 private:
  char take() {
    const char c = text_[at_++];
    line_ += c == '\n' ? 1 : 0;
    return c;
  }

  bool quoted(char mark, std::string& out) {
    while (at_ < text_.size()) {
      const char c = take();
      if (c == mark) {
        return true;
      }
      if (mark == '"' && c == '\\' && at_ < text_.size()) {
        const char next = take();
        if (std::string_view{"\"\\`$\n"}.find(next) == std::string_view::npos) {
          out += c;
        }
        if (next != '\n') {
          out += next;
        }
      } else {
        out += c;
      }
    }
    return false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
};

}  // namespace detail

/// The variables of a file in their order. A line is NAME=VALUE, blank, or a comment that begins with # or ;. Around a
/// value white space is dropped; it may stand in single quotes (as it is) or double quotes (a backslash keeps the next
/// of " \ ` $), and outside of quotes a backslash keeps the next character. The error completes "FILE ": it names the
/// line and never repeats what is in it, which may be a password.
inline std::expected<std::vector<std::pair<std::string, std::string>>, std::string> parse_env_file(
    std::string_view text) {
  std::vector<std::pair<std::string, std::string>> all;
  if (text.find('\0') != std::string_view::npos) {
    return std::unexpected{std::string{"is no text: it holds a NUL"}};
  }
  detail::env_reader from{text};
  while (from.find_line()) {
    const std::size_t line = from.line();
    const auto name = from.name();
    if (!name || !detail::is_variable_name(*name)) {
      return std::unexpected{fmt::format(
          "has in line {} something else than NAME=VALUE (without `export`, without spaces before the =)", line)};
    }
    auto value = from.value();
    if (!value) {
      return std::unexpected{fmt::format("has a quote that is not closed in the value of {}, line {}", *name, line)};
    }
    all.emplace_back(*name, *std::move(value));
  }
  return all;
}

/// What a file of at most 64 KiB holds. The error completes "FILE ".
inline std::expected<std::string, std::string> read_small_file(const std::string& path) {
  constexpr std::size_t most = 64 << 10;
  std::ifstream file{path, std::ios::binary};
  if (!file) {
    return std::unexpected{fmt::format("cannot be read: {}", std::generic_category().message(errno))};
  }
  std::string text(most + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > most) {
    return std::unexpected{std::string{"has more than 64 KiB"}};
  }
  if (!file.eof() || file.bad()) {
    return std::unexpected{std::string{"cannot be read: it is no regular file"}};
  }
  return text;
}

/// What a file holds whose text is one secret, without the white space around it. The error completes "FILE ".
inline std::expected<std::string, std::string> read_secret(const std::string& path) {
  auto text = read_small_file(path);
  if (!text) {
    return text;
  }
  const auto first = text->find_first_not_of(detail::white_space);
  if (first == std::string::npos) {
    return std::unexpected{std::string{"is empty"}};
  }
  return text->substr(first, text->find_last_not_of(detail::white_space) - first + 1);
}

}  // namespace coffer::app
