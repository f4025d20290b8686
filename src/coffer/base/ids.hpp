// The identifiers of the economy.
#pragma once

#include "coffer/base/strong.hpp"

namespace coffer {

/// The largest integer that every JSON reader keeps exact (RFC 8259 section 6): ids and amounts end here.
inline constexpr std::int64_t max_json_integer = (std::int64_t{1} << 53) - 1;

/// A user's id, from 1 on.
using user_id = strong<struct user_id_tag>;
/// A product's id, from 1 on.
using product_id = strong<struct product_id_tag>;
/// A row's place in one user's journal: dense from 1 on; 0 is a user without history.
using version = strong<struct version_tag>;

}  // namespace coffer
