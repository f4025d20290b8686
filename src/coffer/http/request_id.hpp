// Identifiers of requests that did not bring their own.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

namespace coffer::http {

namespace detail {

inline constexpr std::size_t half_length = 11;  // digits of 6 bits each hold 64 bits

/// A permutation of 64-bit integers (the finaliser of MurmurHash3): neighbours in, strangers out.
constexpr std::uint64_t scramble(std::uint64_t x) {
  x = (x ^ (x >> 33)) * 0xFF51AFD7ED558CCDULL;
  x = (x ^ (x >> 33)) * 0xC4CEB9FE1A85EC53ULL;
  return x ^ (x >> 33);
}

inline std::array<char, half_length> encode(std::uint64_t value) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::array<char, half_length> text;
  for (char& c : text) {
    c = alphabet[value & 63U];
    value >>= 6;
  }
  return text;
}

struct generator {
  generator() {
    std::random_device device;
    const auto draw = [&] { return (std::uint64_t{device()} << 32) | device(); };
    // In front of an id '-' would make it an option of a shell's command, and in a spreadsheet a formula.
    do {
      prefix = encode(draw());
    } while (prefix.front() == '-');
    counter = draw();
  }

  std::array<char, half_length> prefix;
  std::uint64_t counter;
};

}  // namespace detail

/// Appends 22 characters of A-Z a-z 0-9 _ - (the first is no -) that no other call, on any thread or in any process,
/// gives: 64 random bits drawn per thread and a scrambled counter. Not a secret: one id tells the next to whoever
/// tries.
inline void append_request_id(std::string& out) {
  thread_local detail::generator mine;
  const auto suffix = detail::encode(detail::scramble(mine.counter++));
  out.append(mine.prefix.data(), detail::half_length).append(suffix.data(), detail::half_length);
}

}  // namespace coffer::http
