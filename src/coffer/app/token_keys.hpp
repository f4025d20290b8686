// The file with the keys of players' tokens.
#pragma once

#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "coffer/app/settings.hpp"
#include "coffer/auth/jwt_keys.hpp"

namespace coffer::app {

/// Reads settings::jwt_keys, at most 1 MiB. Throws std::runtime_error with a sentence for the operator that names the
/// file.
inline auth::jwt_keys read_token_keys(const settings& s) {
  constexpr std::size_t most = 1024 * 1024;
  std::ifstream file{s.jwt_keys, std::ios::binary};
  std::string text(most + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (!file.eof() || file.bad() || text.empty() || text.size() > most) {
    throw std::runtime_error(
        fmt::format("--jwt-keys (COFFER_JWT_KEYS): {} cannot be read, is empty or has more than 1 MiB", s.jwt_keys));
  }
  auto keys = auth::jwt_keys::parse(std::move(text), s.jwt_algorithms);
  if (!keys) {
    throw std::runtime_error(fmt::format("--jwt-keys (COFFER_JWT_KEYS): {} {}{}", s.jwt_keys,
                                         keys.error().starts_with("key ") ? "is not valid: " : "", keys.error()));
  }
  return *std::move(keys);
}

}  // namespace coffer::app
