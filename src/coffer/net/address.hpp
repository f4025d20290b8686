// Addresses of clients: read, compared, matched against networks. Pure.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <arpa/inet.h>

#include "coffer/base/ascii.hpp"

namespace coffer::net {

/// An IP address. An IPv4 address and its v4-mapped IPv6 form ("::ffff:192.0.2.1") are the same one.
class address {
 public:
  /// "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"; nullopt for everything else (ports, brackets, zones, names).
  static std::optional<address> parse(std::string_view text);
  /// As parse(), and with a port behind it as proxies write it: "192.0.2.1:80", "[2001:db8::1]:443", "[2001:db8::1]".
  static std::optional<address> parse_with_port(std::string_view text);

  [[nodiscard]] bool is_v4() const noexcept;
  /// What one subscriber has: an IPv4 address itself, an IPv6 address with the last 64 bits zero (RFC 6177).
  [[nodiscard]] address subscriber() const noexcept;
  /// As inet_ntop writes it; an IPv4 address with dots.
  [[nodiscard]] std::string text() const;
  /// As sixteen bytes; IPv4 in its mapped form.
  [[nodiscard]] const std::array<std::uint8_t, 16>& bytes() const noexcept { return bytes_; }

  bool operator==(const address&) const = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
};

/// A set of addresses and networks.
class address_set {
 public:
  address_set() = default;
  /// Addresses and networks ("10.0.0.0/8", "2001:db8::/32") with commas between them, spaces around those allowed.
  /// nullopt when one cannot be read, has bits set behind its prefix, or is empty; the empty text is the empty set.
  static std::optional<address_set> parse(std::string_view text);

  [[nodiscard]] bool contains(const address& a) const noexcept;
  /// False for what is no address.
  [[nodiscard]] bool contains(std::string_view text) const;
  [[nodiscard]] bool empty() const noexcept { return networks_.empty(); }

 private:
  struct network {
    address base;
    unsigned prefix;  ///< of 128 bits
  };
  std::vector<network> networks_;
};

namespace detail {

inline constexpr std::array<std::uint8_t, 12> v4_in_v6{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
inline constexpr unsigned mapped_bits = 96;

/// Whether the first `bits` bits are the same.
inline bool same_prefix(const std::array<std::uint8_t, 16>& a, const std::array<std::uint8_t, 16>& b, unsigned bits) {
  const std::size_t whole = bits / 8;
  if (!std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(whole), b.begin())) {
    return false;
  }
  const unsigned rest = bits % 8;
  return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

/// Whether all bits behind the first `bits` are 0.
inline bool ends_in_zeros(const std::array<std::uint8_t, 16>& a, unsigned bits) {
  for (unsigned bit = bits; bit < 128; ++bit) {
    if ((a[bit / 8] >> (7 - bit % 8) & 1) != 0) {
      return false;
    }
  }
  return true;
}

inline std::optional<unsigned> parse_number(std::string_view text, unsigned highest) {
  unsigned value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size() || value > highest) {
    return std::nullopt;
  }
  return value;
}

}  // namespace detail

inline std::optional<address> address::parse(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.size() >= terminated.size() || text.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  std::ranges::copy(text, terminated.begin());
  address read;
  if (::inet_pton(AF_INET, terminated.data(), read.bytes_.data() + detail::v4_in_v6.size()) == 1) {
    std::ranges::copy(detail::v4_in_v6, read.bytes_.begin());
    return read;
  }
  if (::inet_pton(AF_INET6, terminated.data(), read.bytes_.data()) == 1) {
    return read;
  }
  return std::nullopt;
}

inline std::optional<address> address::parse_with_port(std::string_view text) {
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
  if (!port.empty() && (port.front() != ':' || !detail::parse_number(port.substr(1), highest_port))) {
    return std::nullopt;
  }
  return parse(host);
}

inline bool address::is_v4() const noexcept {
  return std::equal(detail::v4_in_v6.begin(), detail::v4_in_v6.end(), bytes_.begin());
}

inline address address::subscriber() const noexcept {
  address made = *this;
  if (!is_v4()) {
    std::fill(made.bytes_.begin() + 8, made.bytes_.end(), std::uint8_t{0});
  }
  return made;
}

inline std::string address::text() const {
  std::array<char, INET6_ADDRSTRLEN> written{};
  if (is_v4()) {
    ::inet_ntop(AF_INET, bytes_.data() + detail::v4_in_v6.size(), written.data(), written.size());
  } else {
    ::inet_ntop(AF_INET6, bytes_.data(), written.data(), written.size());
  }
  return written.data();
}

inline std::optional<address_set> address_set::parse(std::string_view text) {
  address_set made;
  if (ascii::trim(text).empty()) {
    return made;
  }
  for (bool more = true; more;) {
    const auto comma = text.find(',');
    more = comma != std::string_view::npos;
    const auto element = ascii::trim(text.substr(0, comma));
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
      const auto given = detail::parse_number(element.substr(slash + 1), dotted ? 32 : 128);
      if (!given) {
        return std::nullopt;
      }
      prefix = dotted ? detail::mapped_bits + *given : *given;
    }
    if (!detail::ends_in_zeros(base->bytes(), prefix)) {
      return std::nullopt;
    }
    made.networks_.push_back({*base, prefix});
  }
  return made;
}

inline bool address_set::contains(const address& a) const noexcept {
  return std::ranges::any_of(networks_, [&](const network& n) {
    // ::/0 is all of IPv6; IPv4 is meant only by networks within its mapped range.
    return a.is_v4() == (n.base.is_v4() && n.prefix >= detail::mapped_bits) &&
           detail::same_prefix(a.bytes(), n.base.bytes(), n.prefix);
  });
}

inline bool address_set::contains(std::string_view text) const {
  const auto read = address::parse(text);
  return read && contains(*read);
}

/// The client behind trusted proxies. `forwarded` is X-Forwarded-For, all its fields joined with commas in order of
/// arrival: each proxy appends the address it was called from, so the list is walked from the right, and the first
/// address that is no trusted proxy is the last one that a trusted proxy vouches for. The peer itself when it is not
/// trusted, when there is no list, or when an element met on the walk is no address: that is left in `unreadable`.
/// When all are trusted: the first.
inline std::string client_of(const std::string& peer, std::string_view forwarded, const address_set& trusted,
                             std::optional<std::string_view>* unreadable = nullptr) {
  if (ascii::trim(forwarded).empty() || !trusted.contains(peer)) {
    return peer;
  }
  for (;;) {
    const auto comma = forwarded.rfind(',');
    const bool last = comma == std::string_view::npos;
    const std::string_view text = ascii::trim(last ? forwarded : forwarded.substr(comma + 1));
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
