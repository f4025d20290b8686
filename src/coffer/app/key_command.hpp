// `coffer key`: server keys for operators.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "coffer/service/keys.hpp"

namespace coffer::app {

/// A key to make; the scopes have been checked.
struct key_request {
  std::string name;
  auth::scope_set scopes;
  bool is_test = false;
  std::optional<std::chrono::milliseconds> valid_for;  ///< nullopt: for ever
};

/// Each connects, works and disconnects. Throws std::runtime_error with a sentence for the operator.
service::made_key create_key(const std::string& database_url, const key_request& wanted);
std::vector<store::key_row> list_keys(const std::string& database_url);
store::key_row revoke_key(const std::string& database_url, std::int64_t id);

/// A table for people, or one JSON object with the list "items".
std::string keys_to_text(const std::vector<store::key_row>& keys);
std::string keys_to_json(const std::vector<store::key_row>& keys);

}  // namespace coffer::app
