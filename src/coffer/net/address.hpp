// Addresses of clients: read, compared, matched against networks. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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

/// The client behind trusted proxies. `forwarded` is X-Forwarded-For, all its fields joined with commas in order of
/// arrival: each proxy appends the address it was called from, so the list is walked from the right, and the first
/// address that is no trusted proxy is the last one that a trusted proxy vouches for. The peer itself when it is not
/// trusted, when there is no list, or when an element met on the walk is no address: that is left in `unreadable`.
/// When all are trusted: the first.
std::string client_of(const std::string& peer, std::string_view forwarded, const address_set& trusted,
                      std::optional<std::string_view>* unreadable = nullptr);

}  // namespace coffer::net
