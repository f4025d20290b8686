#include "coffer/net/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace coffer::net {

namespace {

constexpr std::array<std::uint8_t, 12> v4_in_v6{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned mapped_bits = 96;

std::string_view trim(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  return begin == std::string_view::npos ? std::string_view{}
                                         : text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

/// Whether the first `bits` bits are the same.
bool same_prefix(const std::array<std::uint8_t, 16>& a, const std::array<std::uint8_t, 16>& b, unsigned bits) {
  const std::size_t whole = bits / 8;
  if (!std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(whole), b.begin())) {
    return false;
  }
  const unsigned rest = bits % 8;
  return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

/// Whether all bits behind the first `bits` are 0.
bool ends_in_zeros(const std::array<std::uint8_t, 16>& a, unsigned bits) {
  for (unsigned bit = bits; bit < 128; ++bit) {
    if ((a[bit / 8] >> (7 - bit % 8) & 1) != 0) {
      return false;
    }
  }
  return true;
}

std::optional<unsigned> parse_number(std::string_view text, unsigned highest) {
  unsigned value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size() || value > highest) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

std::optional<address> address::parse(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.size() >= terminated.size() || text.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  std::ranges::copy(text, terminated.begin());
  address read;
  if (::inet_pton(AF_INET, terminated.data(), read.bytes_.data() + v4_in_v6.size()) == 1) {
    std::ranges::copy(v4_in_v6, read.bytes_.begin());
    return read;
  }
  if (::inet_pton(AF_INET6, terminated.data(), read.bytes_.data()) == 1) {
    return read;
  }
  return std::nullopt;
}

std::optional<address> address::parse_with_port(std::string_view text) {
  constexpr unsigned highest_port = 65535;
  std::string_view host = text;
  std::string_view port;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) {
      return std::nullopt;
    }
    host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (host.find(':') == std::string_view::npos) {
      return std::nullopt;  // brackets are for IPv6
    }
  } else if (const auto colon = text.find(':'); colon == text.rfind(':') && colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon);
  }
  if (!port.empty() && (port.front() != ':' || !parse_number(port.substr(1), highest_port))) {
    return std::nullopt;
  }
  return parse(host);
}

bool address::is_v4() const noexcept { return std::equal(v4_in_v6.begin(), v4_in_v6.end(), bytes_.begin()); }

address address::subscriber() const noexcept {
  address made = *this;
  if (!is_v4()) {
    std::fill(made.bytes_.begin() + 8, made.bytes_.end(), std::uint8_t{0});
  }
  return made;
}

std::string address::text() const {
  std::array<char, INET6_ADDRSTRLEN> written{};
  if (is_v4()) {
    ::inet_ntop(AF_INET, bytes_.data() + v4_in_v6.size(), written.data(), written.size());
  } else {
    ::inet_ntop(AF_INET6, bytes_.data(), written.data(), written.size());
  }
  return written.data();
}

std::optional<address_set> address_set::parse(std::string_view text) {
  address_set made;
  if (trim(text).empty()) {
    return made;
  }
  for (bool more = true; more;) {
    const auto comma = text.find(',');
    more = comma != std::string_view::npos;
    const auto element = trim(text.substr(0, comma));
    text.remove_prefix(more ? comma + 1 : text.size());
    const auto slash = element.find('/');
    const auto base = address::parse(element.substr(0, slash));
    if (!base) {
      return std::nullopt;
    }
    unsigned prefix = 128;
    if (slash != std::string_view::npos) {
      // A mapped network spelled in IPv6 counts its bits in IPv6.
      const bool dotted = element.find(':') == std::string_view::npos;
      const auto given = parse_number(element.substr(slash + 1), dotted ? 32 : 128);
      if (!given) {
        return std::nullopt;
      }
      prefix = dotted ? mapped_bits + *given : *given;
    }
    if (!ends_in_zeros(base->bytes(), prefix)) {
      return std::nullopt;
    }
    made.networks_.push_back({*base, prefix});
  }
  return made;
}

bool address_set::contains(const address& a) const noexcept {
  return std::ranges::any_of(networks_, [&](const network& n) {
    // ::/0 is all of IPv6; IPv4 is meant only by networks within its mapped range.
    return a.is_v4() == (n.base.is_v4() && n.prefix >= mapped_bits) && same_prefix(a.bytes(), n.base.bytes(), n.prefix);
  });
}

bool address_set::contains(std::string_view text) const {
  const auto read = address::parse(text);
  return read && contains(*read);
}

std::string client_of(const std::string& peer, std::string_view forwarded, const address_set& trusted,
                      std::optional<std::string_view>* unreadable) {
  if (trim(forwarded).empty() || !trusted.contains(peer)) {
    return peer;
  }
  for (;;) {
    const auto comma = forwarded.rfind(',');
    const bool last = comma == std::string_view::npos;
    const std::string_view text = trim(last ? forwarded : forwarded.substr(comma + 1));
    const auto element = address::parse_with_port(text);
    if (!element) {
      if (unreadable != nullptr) {
        *unreadable = text;
      }
      return peer;
    }
    if (last || !trusted.contains(*element)) {
      return element->text();
    }
    forwarded = forwarded.substr(0, comma);
  }
}

}  // namespace coffer::net
