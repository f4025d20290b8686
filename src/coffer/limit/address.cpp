#include "coffer/limit/address.hpp"

#include <span>

#include "coffer/net/address.hpp"

namespace coffer::limit {

subject address_subject(const std::string& text) {
  const auto address = net::address::parse(text);
  if (!address) {
    return {};
  }
  constexpr std::size_t v4_begin = 12;
  constexpr std::size_t network_size = 8;
  const std::span all{address->bytes()};
  const auto owner = address->is_v4() ? all.subspan(v4_begin) : all.first(network_size);
  subject made{.high = address->is_v4() ? 4U : 6U, .low = 0};
  for (const std::uint8_t byte : owner) {
    made.low = made.low << 8U | byte;
  }
  return made;
}

}  // namespace coffer::limit
