// The file with the keys of players' tokens.
#pragma once

#include "coffer/app/settings.hpp"
#include "coffer/auth/jwt_keys.hpp"

namespace coffer::app {

/// Reads settings::jwt_keys, at most 1 MiB. Throws std::runtime_error with a sentence for the operator that names the
/// file.
auth::jwt_keys read_token_keys(const settings& s);

}  // namespace coffer::app
