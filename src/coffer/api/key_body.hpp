// Server keys over HTTP: what a request for one says, and what answers show of them.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "coffer/api/render.hpp"
#include "coffer/json/schema.hpp"

namespace coffer::api {

/// POST /keys
struct create_key_body {
  std::string name;
  std::string scopes;
  bool is_test = false;
  std::optional<timestamp> expires_at;
};

const json::object<create_key_body>& create_key_schema();

/// The body in a fixed form, for fingerprints.
std::string canonical(const create_key_body& body);

/// {"items": [...]}
std::string render_keys(std::span<const store::key_row> keys);

void add_key_shapes(shapes& all);

}  // namespace coffer::api
