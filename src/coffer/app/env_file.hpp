// Files that hold settings: variables as systemd's EnvironmentFile= has them, and a single secret each.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace coffer::app {

/// The variables of a file in their order. A line is NAME=VALUE, blank, or a comment that begins with # or ;. Around a
/// value white space is dropped; it may stand in single quotes (as it is) or double quotes (a backslash keeps the next
/// of " \ ` $), and outside of quotes a backslash keeps the next character. The error completes "FILE ": it names the
/// line and never repeats what is in it, which may be a password.
std::expected<std::vector<std::pair<std::string, std::string>>, std::string> parse_env_file(std::string_view text);

/// What a file of at most 64 KiB holds. The error completes "FILE ".
std::expected<std::string, std::string> read_small_file(const std::string& path);

/// What a file holds whose text is one secret, without the white space around it. The error completes "FILE ".
std::expected<std::string, std::string> read_secret(const std::string& path);

}  // namespace coffer::app
