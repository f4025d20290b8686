// Server keys and what carries them, for tests of a server that asks for credentials.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/database.hpp"
#include "support/http_client.hpp"
#include "support/process.hpp"

namespace coffer::test {

/// Makes a key with the command line. Throws std::runtime_error when that fails.
inline std::string make_key(const database& db, const std::string& scopes, std::vector<std::string> more = {}) {
  std::vector<std::string> arguments{"key", "create", "--name", "test", "--scopes", scopes};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const auto run = run_coffer(std::move(arguments), {{"DATABASE_URL", db.url()}});
  if (run.exit_code != 0 || !run.out.ends_with('\n')) {
    throw std::runtime_error{"no key was made: " + run.err};
  }
  return run.out.substr(0, run.out.size() - 1);
}

/// The header that carries a key or a token.
inline header_list bearer(const std::string& credential) { return {{"Authorization", "Bearer " + credential}}; }

/// For a server that asks for credentials and hears soon of new keys.
inline environment with_auth(environment more = {}) {
  more.emplace("COFFER_AUTH", "required");
  more.emplace("COFFER_KEY_REFRESH", "100ms");
  return more;
}

}  // namespace coffer::test
