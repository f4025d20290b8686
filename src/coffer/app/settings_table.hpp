// The one table of serve's settings: flag, variable, range, help. Knows no command-line library.
#pragma once

#include <expected>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "coffer/app/settings.hpp"

namespace coffer::app {

/// The value of an environment variable, or nullopt.
using variables = std::function<std::optional<std::string>(const char* name)>;

/// One setting as the command line and the environment know it.
struct setting_spec {
  const char* flag;      ///< "--lanes"
  const char* variable;  ///< "COFFER_LANES"
  const char* group;     ///< heading in the help
  const char* help;      ///< what it is, without range and default
  std::string shape;     ///< what a value looks like: "1..32", "HOST:PORT"
  /// Stores a value. The error completes "... is not valid: it must be"; nothing is stored then.
  std::function<std::expected<void, std::string>(settings&, std::string_view)> set;
  /// The value as `set` reads it.
  std::function<std::string(const settings&)> show;
  /// Values at the ends of the range and just beyond them; empty strings where there is no range.
  std::string lowest{};
  std::string highest{};
  std::string below{};
  std::string above{};
  bool is_switch = false;  ///< the flag alone means "on"
  bool is_secret = false;  ///< a value is never repeated in a message
};

/// All settings in the order of the help.
std::span<const setting_spec> setting_specs();

/// The setting with that flag; asserts that there is one.
const setting_spec& find_setting(std::string_view flag);

/// A setting from the flag if given, else from its variable if that is set and not empty, else unchanged. For a secret
/// the variable NAME_FILE may name a file that holds it. The error names the source and the allowed values.
std::expected<void, std::string> apply_setting(settings& into, const setting_spec& spec,
                                               const std::optional<std::string>& flag, const variables& env);

/// Whether settings::listen may be listened on: without keys only this machine may reach the server. The error says
/// what else there is.
std::expected<void, std::string> check_listen(const settings& s);

/// Refuses variables that begin with COFFER_, have a value and are no setting: one that is misspelt would leave its
/// setting, a limit perhaps, at its default. Those of the project's scripts and what Kubernetes sets for a service
/// named coffer pass.
std::expected<void, std::string> check_variables(const std::vector<std::string>& names, const variables& env);

/// The settings from flags (by name, e.g. "--lanes"), then variables, then defaults, checked against each other:
/// timeouts nest (those not given follow the outer one down), and without keys only this machine may reach the server.
std::expected<settings, std::string> resolve_settings(
    const std::function<std::optional<std::string>(const char* flag)>& flags, const variables& env);

}  // namespace coffer::app
