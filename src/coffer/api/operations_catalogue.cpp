// Users and products.
#include "coffer/api/dto.hpp"
#include "coffer/api/etag.hpp"
#include "coffer/api/idempotency.hpp"
#include "coffer/api/list_query.hpp"
#include "coffer/api/operations.hpp"

namespace coffer::api::operations {

using enum errc;

namespace {

constexpr std::string_view tag_example = R"("\"9d41e07c3ab65f82\"")";

}  // namespace

operation create_user(const document_facts&) {
  return {.id = "createUser",
          .tag = "Users",
          .summary = "Make a user",
          .text = "The new user has an empty wallet and no history.",
          .parameters = {key_parameter(false)},
          .body = body_of(create_user_schema(), R"({"username":"ada","email":"ada@example.com"})"),
          .replies =
              {{.status = 201, .text = "The user.", .shape = "User", .headers = {"Location", "Idempotent-Replayed"}}},
          .errors = {invalid_idempotency_key, idempotency_key_reused, username_taken, email_taken}};
}

operation get_user(const document_facts&) {
  return {.id = "getUser",
          .tag = "Users",
          .summary = "Look a user up",
          .text = "Balance and version are those of the latest committed transaction.",
          .replies = {{.text = "The user.", .shape = "User"}},
          .errors = {user_not_found}};
}

operation find_users(const document_facts&) {
  return {.id = "findUsers",
          .tag = "Users",
          .summary = "Find a user by name or address",
          .text = "A page of none or one. Give exactly one of the parameters.",
          .parameters = {documented(username_parameter), documented(email_parameter)},
          .replies = {{.text = "The page.", .shape = "UserPage"}},
          .errors = {}};
}

operation create_product(const document_facts&) {
  return {.id = "createProduct",
          .tag = "Products",
          .summary = "Make a product",
          .text = "It can be bought at once unless is_active is false or its sale starts later.",
          .parameters = {key_parameter(false)},
          .body = body_of(create_product_schema(), R"({"name":"Day boost","price":100,"type":"consumable"})"),
          .replies = {{.status = 201,
                       .text = "The product.",
                       .shape = "Product",
                       .headers = {"Location", "ETag", "Idempotent-Replayed"}}},
          .errors = {invalid_idempotency_key, idempotency_key_reused, name_taken}};
}

operation list_products(const document_facts&) {
  return {.id = "listProducts",
          .tag = "Products",
          .summary = "List the products",
          .text = "By id, a page at a time.",
          .parameters = {documented(limit_parameter), documented(cursor_parameter), documented(active_parameter)},
          .replies = {{.text = "A page.", .shape = "ProductPage"}},
          .errors = {invalid_cursor}};
}

operation get_product(const document_facts&) {
  return {.id = "getProduct",
          .tag = "Products",
          .summary = "Look a product up",
          .text = "Inactive products are shown too. The ETag is of all that is shown, the stock too.",
          .parameters = {none_match_parameter(tag_example), match_parameter(tag_example)},
          .replies = {{.text = "The product.", .shape = "Product", .headers = {"ETag"}},
                      {.status = 304, .text = "It is the one the client has.", .headers = {"ETag"}, .media = {}}},
          .errors = {product_not_found, precondition_failed}};
}

operation change_product(const document_facts&) {
  return {
      .id = "changeProduct",
      .tag = "Products",
      .summary = "Change a product",
      .text =
          "Members that are left out stay as they are. null clears stock, per_user_limit and the times of the "
          "sale, and "
          "leaves the rest as it is. The type cannot be changed. With `If-Match` nothing is changed unless the "
          "product is "
          "still the one with that ETag; of a product with a stock, each sale makes another.",
      .parameters = {key_parameter(false), match_parameter(tag_example)},
      .body = body_of(change_product_schema(), R"({"price":120})"),
      .replies = {{.text = "The product as it is now.",
                   .shape = "Product",
                   .headers = {"ETag", "Idempotent-Replayed"}}},
      .errors = {invalid_idempotency_key, idempotency_key_reused, product_not_found, precondition_failed, name_taken}};
}

}  // namespace coffer::api::operations
