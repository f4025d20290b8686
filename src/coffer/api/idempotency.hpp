// The Idempotency-Key header and the fingerprint that tells a retry from another request.
#pragma once

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "coffer/api/endpoint.hpp"
#include "coffer/api/vocabulary.hpp"
#include "coffer/base/error.hpp"
#include "coffer/base/hash.hpp"
#include "coffer/domain/transaction.hpp"
#include "coffer/http/request.hpp"

namespace coffer::api {

namespace detail {

inline std::unexpected<error> invalid(std::string detail) {
  return std::unexpected(error{errc::invalid_idempotency_key, std::move(detail)});
}

/// The content of a quoted string: \" and \\ are the only escapes.
inline result<std::string> unquote(std::string_view text) {
  std::string content;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    char c = text[i];
    if (c == '"') {
      return invalid("the quoted Idempotency-Key has a quote inside that is not escaped");
    }
    if (c == '\\') {
      if (++i + 1 >= text.size() || (text[i] != '"' && text[i] != '\\')) {
        return invalid("the quoted Idempotency-Key has a backslash that escapes neither a quote nor a backslash");
      }
      c = text[i];
    }
    content += c;
  }
  return content;
}

}  // namespace detail

/// The header Idempotency-Key for documents.
inline header_parameter key_parameter(bool required) {
  header_parameter made{.info = {}, .example = R"("order-1001")"};
  made.info.name = "Idempotency-Key";
  made.info.type = "string";
  made.info.required = required;
  made.info.description =
      "1 to 255 visible ASCII characters, bare or as a quoted structured-field string. The same key with the same "
      "request gives the same answer for ever.";
  made.info.maximum = 2 * longest_key + 2;  // every character escaped, and the quotes
  made.info.pattern = R"(^(?:[!#-~][!-~]{0,254}|"(?:[!#-\[\]-~]|\\["\\]){1,255}")$)";
  return made;
}

/// The key that the value of the header, or a decoded path segment, spells. Refusal: invalid_idempotency_key.
inline result<std::string> parse_idempotency_key(std::string_view text) {
  std::string key{text};
  if (key.starts_with('"')) {
    if (key.size() < 2 || !key.ends_with('"')) {
      return detail::invalid("the quoted Idempotency-Key has no closing quote");
    }
    result<std::string> content = detail::unquote(key);
    if (!content) {
      return content;
    }
    key = *std::move(content);
  }
  const bool visible = std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (key.empty() || std::ssize(key) > longest_key || !visible) {
    return detail::invalid({});
  }
  return key;
}

/// The key of a request: empty when there is none. A quoted structured-field string (RFC 8941 section 3.3.3) is the
/// same key as its bare content. Refusal: invalid_idempotency_key (not 1 to 255 visible ASCII characters, malformed
/// quotes, several headers).
inline result<std::string> idempotency_key(const http::request& r) {
  const auto value = r.header("Idempotency-Key");
  if (!value) {
    return std::string{};
  }
  if (r.count("Idempotency-Key") > 1) {
    return detail::invalid("there is more than one Idempotency-Key header");
  }
  return parse_idempotency_key(*value);
}

/// Digest of a write on a path with the canonical form of its body: every member's value with defaults applied,
/// in a fixed order; `text` is the one member that is a string. -1 stands for an absent optional member.
inline domain::fingerprint fingerprint_of(std::string_view what, std::int64_t path_id,
                                          std::initializer_list<std::int64_t> body, std::string_view text = {}) {
  std::string canonical = fmt::format("{} {}", what, path_id);
  for (const std::int64_t value : body) {
    canonical += fmt::format(" {}", value);
  }
  if (!text.empty()) {
    canonical.append(" ").append(text);
  }
  const auto digest = sha256(canonical);
  domain::fingerprint print{};
  std::memcpy(print.data(), digest.data(), print.size());
  return print;
}

}  // namespace coffer::api
