// Which of several forms a client prefers (RFC 9110 section 12.5).
#pragma once

#include <optional>
#include <string_view>

namespace coffer::api {

/// The weight that a list of preferences gives to an element as it is spelled, in thousandths; nullopt when it does not
/// name it.
std::optional<int> weight_in(std::string_view list, std::string_view element);

/// The weight that an Accept value gives to a media range as it is spelled, in thousandths; 0 when it does not name it.
inline int accept_weight(std::string_view accept, std::string_view range) {
  return weight_in(accept, range).value_or(0);
}

/// Whether an Accept-Encoding value asks for gzip, and no less than for the plain body (RFC 9110 section 12.5.3).
bool prefers_gzip(std::string_view accept_encoding);

}  // namespace coffer::api
