// What somebody may ask of a new server key, over HTTP and on the command line. Its scopes: scopes_from_string.
#pragma once

#include "coffer/json/schema.hpp"

namespace coffer::auth {

/// The name of a key, for people.
inline constexpr json::text key_name{1, 100, json::charset::line};

/// The text in which scopes are named: more than all of them need.
inline constexpr json::text scope_list{1, 400, json::charset::line};

}  // namespace coffer::auth
