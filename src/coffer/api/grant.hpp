// A grant, as the single request and the lines of an upload ask for it.
#pragma once

#include <string>

#include "coffer/api/dto.hpp"
#include "coffer/service/wallet.hpp"

namespace coffer::api {

/// Adds what a grant consists of to the description of a body with the members of grant_body.
template <typename Body>
json::object<Body> with_grant_members(json::object<Body> schema) {
  schema.optional("credits", &Body::credits, granted_credits, "Whole credits; negative: taken away. Not 0.")
      .optional("product_id", &Body::product, json::integer{1, max_json_integer},
                "What is given or taken, instead of credits.")
      .optional("quantity", &Body::quantity, granted_units, "Units of the product; negative: taken away. Not 0.")
      .required("reason", &Body::reason, operator_reason, "Why; kept with the transaction.")
      .rule([](const Body& body, json::violations& found) {
        check_grant(body.credits, body.product.has_value(), body.quantity, found);
      });
  return schema;
}

/// Has a grant decided. The fingerprint is made here.
net::task<domain::verdict> decide_grant(service::wallet& with, user_id user, grant_body what,
                                        service::request_identity who, net::deadline until);

}  // namespace coffer::api
