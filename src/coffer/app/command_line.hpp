// What the user asked for on the command line. Reads arguments, variables and their files, does nothing. Knows no
// database.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "coffer/app/doctor.hpp"
#include "coffer/app/key_command.hpp"
#include "coffer/app/settings.hpp"
#include "coffer/app/settings_table.hpp"

namespace coffer::app {

/// The exit codes of every command.
inline constexpr int exit_ok = 0;
inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;
/// Of verify alone: whether the books are right could not be found out.
inline constexpr int exit_unchecked = 3;

struct serve_command {
  settings how;
};

struct migrate_command {
  enum class action : std::uint8_t { up, down, status, create };

  action what = action::up;
  std::string database_url;
  std::string folder;                    ///< empty: the files in the binary
  std::optional<std::size_t> steps = 1;  ///< of down; nullopt: all
  std::string name;                      ///< of create
  bool accept_changed = false;
  bool delete_data = false;  ///< of down: rows, or what they mean, may be lost
  bool exit_code = false;    ///< of status: fail when something is pending
  std::chrono::milliseconds lock_timeout{std::chrono::seconds{5}};
};

struct seed_command {
  std::string database_url;
  bool json = false;
};

struct healthcheck_command {
  std::string url;  ///< http://ADDRESS:PORT/PATH
};

struct verify_command {
  std::string database_url;
  std::optional<std::int64_t> user;  ///< nullopt: everybody
  std::string metrics_file;          ///< empty: none is written
  bool json = false;
};

struct doctor_command {
  settings how;
  settings_source source;
  bool json = false;
};

struct key_command {
  enum class action : std::uint8_t { create, list, revoke };

  action what = action::create;
  std::string database_url;
  key_request wanted;   ///< of create
  std::int64_t id = 0;  ///< of revoke
  bool json = false;    ///< of list
};

/// `coffer cache clear`
struct cache_clear_command {
  settings how;  ///< where Redis is, and the prefix
};

struct version_command {};

/// Nothing to run: help was asked for, or the arguments are wrong.
struct print_and_exit {
  int exit_code = exit_ok;
  std::string out;
  std::string err;
};

using command = std::variant<serve_command, migrate_command, seed_command, healthcheck_command, verify_command,
                             doctor_command, key_command, cache_clear_command, version_command, print_and_exit>;

/// The process's environment: what a command line leaves open is looked up there.
struct process_environment {
  variables value;
  std::function<std::vector<std::string>()> names;  ///< of all variables that are set
  /// Sets one: those of --env-file that are not set, so that the database's client library has them, too.
  std::function<void(const std::string& name, const std::string& value)> set;
  /// What the package's unit reads. doctor looks there, too, when nothing else says where the database is.
  std::string service_file = "/etc/coffer/environment";
};

/// Reads the arguments (without the program's name), then `env` and the files that these name, then defaults.
command parse_command_line(std::vector<std::string> arguments, const process_environment& env);

}  // namespace coffer::app
