// Flags before variables before defaults, and the rules between settings.
#include <algorithm>

#include <fmt/format.h>

#include "coffer/app/settings_table.hpp"
#include "coffer/app/settings_values.hpp"
#include "coffer/net/tls.hpp"

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

namespace {

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

std::expected<void, std::string> check_tls(const settings& s) {
  if (s.tls_certificate.empty() != s.tls_key.empty()) {
    return std::unexpected{std::string{
        "--tls-certificate and --tls-key (COFFER_TLS_CERTIFICATE, COFFER_TLS_KEY) need each other: a certificate is of "
        "no use without its key"}};
  }
  if (!s.tls_certificate.empty() && !net::has_tls()) {
    return std::unexpected{std::string{
        "--tls-certificate (COFFER_TLS_CERTIFICATE) needs a program with TLS: this one was built with -Dtls=false"}};
  }
  return {};
}

}  // namespace

std::expected<void, std::string> apply_setting(settings& into, const setting_spec& spec,
                                               const std::optional<std::string>& flag, const variables& env) {
  const auto value = flag ? flag : value_of(env, spec.variable);
  if (!value) {
    return {};
  }
  const auto stored = spec.set(into, *value);
  if (stored) {
    return {};
  }
  const std::string source = flag ? spec.flag : fmt::format("the environment variable {}", spec.variable);
  const std::string shown = spec.is_secret ? "" : fmt::format(" '{}'", *value);
  return std::unexpected{fmt::format("{}{} is not valid: it must be {}", source, shown, stored.error())};
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
  if (const auto tls = check_tls(s); !tls) {
    return std::unexpected{tls.error()};
  }
  if (auto listen = check_listen(s); !listen) {
    return std::unexpected{std::move(listen.error())};
  }
  return s;
}

}  // namespace coffer::app
