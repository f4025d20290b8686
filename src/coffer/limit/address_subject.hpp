// Client addresses as subjects of limits.
#pragma once

#include <span>
#include <string>

#include "coffer/limit/limiter.hpp"
#include "coffer/net/address.hpp"

namespace coffer::limit {

/// The bucket owner behind a textual address: an IPv4 address by itself (also when it is mapped into IPv6), an IPv6
/// address by its /64, which is what one subscriber gets (RFC 6177). Anything else is one owner.
inline subject address_subject(const std::string& text) {
  const auto address = net::address::parse(text);
  if (!address) {
    return {};
  }
  const net::address whose = address->subscriber();
  constexpr std::size_t half = 8;
  const std::span all{whose.bytes()};
  const auto owner = whose.is_v4() ? all.subspan(half) : all.first(half);
  subject made{.high = whose.is_v4() ? 4U : 6U, .low = 0};
  for (const std::uint8_t byte : owner) {
    made.low = made.low << 8U | byte;
  }
  return made;
}

}  // namespace coffer::limit
