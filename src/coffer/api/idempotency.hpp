// The Idempotency-Key header and the fingerprint that tells a retry from another request.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "coffer/api/operation.hpp"
#include "coffer/base/error.hpp"
#include "coffer/domain/transaction.hpp"
#include "coffer/http/request.hpp"

namespace coffer::api {

/// The header Idempotency-Key for documents.
parameter key_parameter(bool required);

/// The key of a request: empty when there is none. A quoted structured-field string (RFC 8941 section 3.3.3) is the
/// same key as its bare content. Refusal: invalid_idempotency_key (not 1 to 255 visible ASCII characters, malformed
/// quotes, several headers).
result<std::string> idempotency_key(const http::request& r);

/// The key that the value of the header, or a decoded path segment, spells. Refusal: invalid_idempotency_key.
result<std::string> parse_idempotency_key(std::string_view text);

/// Digest of an operation on a path with the canonical form of its body: every member's value with defaults applied,
/// in a fixed order; `text` is the one member that is a string. -1 stands for an absent optional member.
domain::fingerprint fingerprint_of(std::string_view operation, std::int64_t path_id,
                                   std::initializer_list<std::int64_t> body, std::string_view text = {});

// The fingerprints of the operations, wherever they are asked for.
domain::fingerprint deposit_print(user_id user, domain::credits amount);
domain::fingerprint purchase_print(product_id product, user_id user, std::int64_t quantity,
                                   std::optional<domain::credits> expected_price);
domain::fingerprint use_print(product_id product, user_id user, std::int64_t quantity);
domain::fingerprint grant_credits_print(user_id user, domain::credits amount, std::string_view reason,
                                        bool note_public);
domain::fingerprint grant_items_print(user_id user, product_id product, std::int64_t quantity, std::string_view reason,
                                      bool note_public);

/// What a refund may be asked for besides units.
struct refund_flags {
  bool force = false;
  bool up_to = false;
  bool note_public = false;
};

/// `quantity` is 0 when the request names none.
domain::fingerprint refund_print(user_id user, version purchase, std::int64_t quantity, refund_flags flags,
                                 std::string_view reason);

}  // namespace coffer::api
