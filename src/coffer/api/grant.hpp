// A grant, as the single request and the lines of an upload ask for it.
#pragma once

#include <string>

#include "coffer/api/dto.hpp"
#include "coffer/api/idempotency.hpp"
#include "coffer/service/wallet.hpp"

namespace coffer::api {

/// Adds what a grant consists of to the description of a body with the members of grant_body.
template <typename Body>
json::object<Body> with_grant_members(json::object<Body> schema) {
  schema.optional("credits", &Body::credits, granted_credits, "Whole credits; negative: taken away. Not 0.")
      .optional("product_id", &Body::product, json::integer{1, max_json_integer},
                "What is given or taken, instead of credits.")
      .optional("quantity", &Body::quantity, granted_units, "Units of the product; negative: taken away. Not 0.")
      .required("reason", &Body::reason, operator_reason, reason_help)
      .optional("note_public", &Body::note_public, json::boolean{}, note_public_help)
      .rule([](const Body& body, json::violations& found) {
        check_grant(body.credits, body.product.has_value(), body.quantity, found);
      });
  return schema;
}

/// What of a refund's body does not go with the transaction that it is about; no fields: all does.
error check_refund(const domain::transaction& row, bool has_quantity, refund_flags flags);

/// Has a grant decided. The fingerprint is made here.
net::task<domain::verdict> decide_grant(service::wallet& with, user_id user, grant_body what,
                                        service::request_identity who, net::deadline until);

}  // namespace coffer::api
