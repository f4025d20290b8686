// What the user asked for on the command line. Reads arguments, variables and their files, does nothing. Knows no
// database.
#pragma once

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "coffer/app/commands.hpp"
#include "coffer/app/settings.hpp"

namespace coffer::app {

/// What a command line asks for.
using command = std::variant<serve_command, migrate_command, seed_command, healthcheck_command, verify_command,
                             doctor_command, key_command, cache_clear_command, print_and_exit>;

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
