// OpenAPI 3.1 from the table of routes and the descriptions that hang at it.
#pragma once

#include <string>

#include "coffer/api/endpoint.hpp"

namespace coffer::api {

/// The whole document as JSON. Throws std::logic_error when a description names a schema, header, tag or path
/// parameter that does not exist, or describes nothing.
std::string make_openapi(const document_facts& facts);

}  // namespace coffer::api
