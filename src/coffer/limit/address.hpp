// Client addresses as subjects of limits.
#pragma once

#include <string>

#include "coffer/limit/limiter.hpp"

namespace coffer::limit {

/// The bucket owner behind a textual address: an IPv4 address by itself (also when it is mapped into IPv6), an IPv6
/// address by its /64, which is what one subscriber gets (RFC 6177). Anything else is one owner.
subject address_subject(const std::string& text);

}  // namespace coffer::limit
