// Cryptographic digests. The only place that includes libcrypto's headers is hash.cpp.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace coffer {

using sha256_digest = std::array<std::byte, 32>;

/// SHA-256 (FIPS 180-4) of these bytes.
sha256_digest sha256(std::string_view data);

/// HMAC with SHA-256 (RFC 2104).
sha256_digest hmac_sha256(std::string_view key, std::string_view data);

/// Bytes that nobody can guess, from the system.
std::string random_bytes(std::size_t count);

/// Base64 with padding (RFC 4648 section 4).
std::string to_base64(std::string_view bytes);

/// Two lower-case hexadecimal digits per byte.
std::string to_hex(std::span<const std::byte> bytes);

}  // namespace coffer
