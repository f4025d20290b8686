#include "coffer/api/idempotency.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "coffer/api/vocabulary.hpp"
#include "coffer/base/hash.hpp"

namespace coffer::api {

namespace {

std::unexpected<error> invalid(std::string detail) {
  return std::unexpected(error{errc::invalid_idempotency_key, std::move(detail)});
}

/// The content of a quoted string: \" and \\ are the only escapes.
result<std::string> unquote(std::string_view text) {
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

}  // namespace

parameter key_parameter(bool required) {
  parameter made{.in = parameter::place::header, .info = {}, .example = R"("order-1001")"};
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

result<std::string> idempotency_key(const http::request& r) {
  const auto value = r.header("Idempotency-Key");
  if (!value) {
    return std::string{};
  }
  if (r.count("Idempotency-Key") > 1) {
    return invalid("there is more than one Idempotency-Key header");
  }
  return parse_idempotency_key(*value);
}

result<std::string> parse_idempotency_key(std::string_view text) {
  std::string key{text};
  if (key.starts_with('"')) {
    if (key.size() < 2 || !key.ends_with('"')) {
      return invalid("the quoted Idempotency-Key has no closing quote");
    }
    result<std::string> content = unquote(key);
    if (!content) {
      return content;
    }
    key = *std::move(content);
  }
  const bool visible = std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (key.empty() || std::ssize(key) > longest_key || !visible) {
    return invalid({});
  }
  return key;
}

domain::fingerprint fingerprint_of(std::string_view operation, std::int64_t path_id,
                                   std::initializer_list<std::int64_t> body, std::string_view text) {
  std::string canonical = fmt::format("{} {}", operation, path_id);
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

domain::fingerprint deposit_print(user_id user, domain::credits amount) {
  return fingerprint_of("add-funds", user.value, {amount.value});
}

domain::fingerprint purchase_print(product_id product, user_id user, std::int64_t quantity,
                                   std::optional<domain::credits> expected_price) {
  constexpr std::int64_t absent = -1;  // no price is negative
  return fingerprint_of("purchase", product.value,
                        {user.value, quantity, expected_price ? expected_price->value : absent});
}

domain::fingerprint use_print(product_id product, user_id user, std::int64_t quantity) {
  return fingerprint_of("use", product.value, {user.value, quantity});
}

domain::fingerprint grant_credits_print(user_id user, domain::credits amount, std::string_view reason,
                                        bool note_public) {
  return fingerprint_of(note_public ? "grant-credits-public" : "grant-credits", user.value, {amount.value}, reason);
}

domain::fingerprint grant_items_print(user_id user, product_id product, std::int64_t quantity, std::string_view reason,
                                      bool note_public) {
  return fingerprint_of(note_public ? "grant-items-public" : "grant-items", user.value, {product.value, quantity},
                        reason);
}

domain::fingerprint refund_print(user_id user, version purchase, std::int64_t quantity, refund_flags flags,
                                 std::string_view reason) {
  // Without the newer flags the number is what it always was: keys of earlier versions still match.
  const std::int64_t all = (flags.force ? 1 : 0) + (flags.up_to ? 2 : 0) + (flags.note_public ? 4 : 0);
  return fingerprint_of("refund", user.value, {purchase.value, quantity, all}, reason);
}

}  // namespace coffer::api
