#include "coffer/limit/address.hpp"

#include <arpa/inet.h>

#include <cstring>

namespace coffer::limit {

subject address_subject(const std::string& text) {
  in_addr v4{};
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) {
    return {.high = 4, .low = ntohl(v4.s_addr)};
  }
  in6_addr v6{};
  if (::inet_pton(AF_INET6, text.c_str(), &v6) != 1) {
    return {};
  }
  if (IN6_IS_ADDR_V4MAPPED(&v6)) {
    std::memcpy(&v4.s_addr, &v6.s6_addr[12], sizeof v4.s_addr);
    return {.high = 4, .low = ntohl(v4.s_addr)};
  }
  std::uint64_t network = 0;
  for (int i = 0; i < 8; ++i) {
    network = network << 8U | v6.s6_addr[i];
  }
  return {.high = 6, .low = network};
}

}  // namespace coffer::limit
