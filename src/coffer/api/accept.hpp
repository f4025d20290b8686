// Which of several media types a client prefers (RFC 9110 section 12.5.1).
#pragma once

#include <string_view>

namespace coffer::api {

/// The weight that an Accept value gives to a media range as it is spelled, in thousandths; 0 when it does not name it.
int accept_weight(std::string_view accept, std::string_view range);

}  // namespace coffer::api
