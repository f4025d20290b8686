// Flags before variables before defaults, and the rules between settings.
#include "coffer/app/settings.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "coffer/app/env_file.hpp"
#include "coffer/app/settings_values.hpp"
#include "coffer/app/suggestion.hpp"

namespace coffer::app {

namespace {

/// Of --limit-credentials with --auth required: enough for a deployment that starts with a forgotten key, far too
/// little to guess one of 190 bits.
constexpr limit::policies default_credential_limit{
    .by = {limit::policy{}, limit::policy{}, limit::policy{.quota = 60, .window = std::chrono::seconds{60}}}};

/// The variable's value; set but empty counts as unset, as in compose files.
std::optional<std::string> value_of(const variables& env, const char* name) {
  auto value = env(name);
  return value && !value->empty() ? value : std::nullopt;
}

/// What a setting is set to, and where that was found, for messages.
struct found_value {
  std::string text;
  std::string source;
};

/// From the variable, or for a secret from the file that NAME_FILE names.
std::expected<std::optional<found_value>, std::string> find_value(const setting_spec& spec, const variables& env) {
  std::optional<found_value> found;
  if (auto value = value_of(env, spec.variable)) {
    found = found_value{*std::move(value), fmt::format("the environment variable {}", spec.variable)};
  }
  if (!spec.is_secret) {
    return found;
  }
  const std::string by_file = fmt::format("{}_FILE", spec.variable);
  const auto path = value_of(env, by_file.c_str());
  if (!path) {
    return found;
  }
  if (found) {
    return std::unexpected{
        fmt::format("the environment variables {} and {} are both set: unset one", spec.variable, by_file)};
  }
  auto text = read_secret(*path);
  if (!text) {
    return std::unexpected{fmt::format("the file '{}' ({}) {}", *path, by_file, text.error())};
  }
  return found_value{*std::move(text), fmt::format("what the file '{}' ({}) holds", *path, by_file)};
}

/// The words of a name in alphabetical order, so that words in another order are the same.
std::string sorted_words(std::string_view name) {
  std::vector<std::string_view> words;
  while (!name.empty()) {
    words.push_back(name.substr(0, name.find('_')));
    name.remove_prefix(std::min(words.back().size() + 1, name.size()));
  }
  std::ranges::sort(words);
  std::string sorted;
  for (const std::string_view word : words) {
    sorted.append(sorted.empty() ? "" : "_").append(word);
  }
  return sorted;
}

/// "; did you mean X?" for the nearest variable of a setting, also when only the order of its words is another.
std::string variable_suggestion(std::string_view name) {
  std::vector<std::string> known;
  for (const setting_spec& spec : setting_specs()) {
    known.emplace_back(spec.variable);
  }
  std::string near = suggestion(name, known);
  if (!near.empty()) {
    return near;
  }
  const std::string words = sorted_words(name);
  const auto meant =
      std::ranges::find_if(known, [&](const std::string& k) { return edit_distance(words, sorted_words(k)) <= 2; });
  return meant == known.end() ? "" : fmt::format("; did you mean {}?", *meant);
}

/// What Kubernetes sets for every service (documentation, "Accessing the Service", environment variables): of one named
/// coffer COFFER_SERVICE_HOST, COFFER_SERVICE_PORT, COFFER_SERVICE_PORT_HTTP, COFFER_PORT, COFFER_PORT_80_TCP_ADDR.
bool is_of_kubernetes(std::string_view name, std::string_view value) {
  const bool of_address = name.find("_TCP") != std::string_view::npos || name.find("_UDP") != std::string_view::npos;
  return name.ends_with("_SERVICE_HOST") || name.ends_with("_SERVICE_PORT") ||
         name.find("_SERVICE_PORT_") != std::string_view::npos || of_address ||
         (name.ends_with("_PORT") && value.find("://") != std::string_view::npos);
}

/// What the project's scripts and tests set for one another.
bool is_of_scripts(std::string_view name) {
  static constexpr std::string_view all[] = {"COFFER_BINARY", "COFFER_KEY", "COFFER_SEEDED", "COFFER_STATE_DIR"};
  return name.starts_with("COFFER_TEST_") || std::ranges::find(all, name) != std::end(all);
}

std::expected<void, std::string> check_tokens(const settings& s) {
  if (s.jwt_keys.empty()) {
    return {};
  }
  if (s.auth != auth_mode::required) {
    return std::unexpected{std::string{
        "--jwt-keys (COFFER_JWT_KEYS) needs --auth required (COFFER_AUTH=required): without it nobody is asked for a "
        "token"}};
  }
  if (s.jwt_issuer.empty() || s.jwt_audience.empty()) {
    return std::unexpected{std::string{
        "--jwt-keys (COFFER_JWT_KEYS) needs --jwt-issuer and --jwt-audience (COFFER_JWT_ISSUER, COFFER_JWT_AUDIENCE): "
        "a token that was signed for another service must not open this one"}};
  }
  return {};
}

std::expected<void, std::string> check_origins(const settings& s) {
  if (!s.cors_origins.empty() && s.auth != auth_mode::required) {
    return std::unexpected{
        std::string{"--cors-origins (COFFER_CORS_ORIGINS) needs --auth required (COFFER_AUTH=required): without it "
                    "those pages could "
                    "spend everybody's credits"}};
  }
  return {};
}

std::expected<void, std::string> check_tls(const settings& s) {
  if (s.tls_certificate.empty() != s.tls_key.empty()) {
    return std::unexpected{std::string{
        "--tls-certificate and --tls-key (COFFER_TLS_CERTIFICATE, COFFER_TLS_KEY) need each other: a certificate is of "
        "no use without its key"}};
  }
  return {};
}

}  // namespace

std::expected<void, std::string> check_listen(const settings& s) {
  const auto address = parse_listen_address(s.listen);
  if (s.auth == auth_mode::required || s.allow_insecure_listen || !address || address->is_loopback()) {
    return {};
  }
  return std::unexpected{fmt::format(
      "{} can be reached from other machines, and without keys anybody there could spend your users' credits. Ask for"
      " keys with --auth required (COFFER_AUTH=required; `coffer key create` makes them), listen on 127.0.0.1 behind a"
      " proxy that authenticates, or, where the network itself is closed, allow it with"
      " --allow-insecure-listen (COFFER_ALLOW_INSECURE_LISTEN=1)",
      s.listen)};
}

std::expected<void, std::string> apply_setting(settings& into, const setting_spec& spec,
                                               const std::optional<std::string>& flag, const variables& env) {
  std::optional<found_value> given;
  if (flag) {
    given = found_value{*flag, spec.flag};
  } else if (auto found = find_value(spec, env)) {
    given = *std::move(found);
  } else {
    return std::unexpected{std::move(found.error())};
  }
  if (!given) {
    return {};
  }
  const auto stored = spec.set(into, given->text);
  if (stored) {
    return {};
  }
  const std::string shown = spec.is_secret ? "" : fmt::format(" '{}'", given->text);
  return std::unexpected{fmt::format("{}{} is not valid: it must be {}", given->source, shown, stored.error())};
}

std::expected<void, std::string> check_variables(const std::vector<std::string>& names, const variables& env) {
  for (const std::string& name : names) {
    const auto is_it = [&name](const setting_spec& spec) { return name == spec.variable; };
    const auto value = value_of(env, name.c_str());
    if (!name.starts_with("COFFER_") || !value || std::ranges::any_of(setting_specs(), is_it)) {
      continue;
    }
    const std::string meant = variable_suggestion(name);
    if (meant.empty() && (is_of_scripts(name) || is_of_kubernetes(name, *value))) {
      continue;
    }
    return std::unexpected{fmt::format("the environment variable {} is no setting{}", name,
                                       meant.empty() ? ": `coffer serve --help` lists them all" : meant)};
  }
  return {};
}

std::expected<settings, std::string> resolve_settings(
    const std::function<std::optional<std::string>(const char* flag)>& flags, const variables& env) {
  settings s;
  for (const setting_spec& spec : setting_specs()) {
    if (auto stored = apply_setting(s, spec, flags(spec.flag), env); !stored) {
      return std::unexpected{std::move(stored.error())};
    }
  }
  const auto given = [&](const char* flag) {
    return flags(flag).has_value() || value_of(env, find_setting(flag).variable).has_value();
  };
  const auto fit = [&](std::chrono::milliseconds& inner, const char* flag, std::chrono::milliseconds outer,
                       const char* outer_flag) -> std::expected<void, std::string> {
    if (given(flag) && inner > outer) {
      return std::unexpected{fmt::format("{} ({}) must not be longer than {} ({})", flag, format_duration(inner),
                                         outer_flag, format_duration(outer))};
    }
    inner = std::min(inner, outer);
    return {};
  };
  const auto statement =
      fit(s.database_statement_timeout, "--database-statement-timeout", s.http.request_time, "--request-timeout");
  if (!statement) {
    return std::unexpected{statement.error()};
  }
  const auto lock = fit(s.database_lock_timeout, "--database-lock-timeout", s.database_statement_timeout,
                        "--database-statement-timeout");
  if (!lock) {
    return std::unexpected{lock.error()};
  }
  // Guesses are limited from the moment on at which there is something to guess.
  if (s.auth == auth_mode::required && !given("--limit-credentials")) {
    s.limit_credentials = default_credential_limit;
  }
  if (const auto tokens = check_tokens(s); !tokens) {
    return std::unexpected{tokens.error()};
  }
  if (const auto pages = check_origins(s); !pages) {
    return std::unexpected{pages.error()};
  }
  if (const auto tls = check_tls(s); !tls) {
    return std::unexpected{tls.error()};
  }
  if (auto listen = check_listen(s); !listen) {
    return std::unexpected{std::move(listen.error())};
  }
  return s;
}

}  // namespace coffer::app
