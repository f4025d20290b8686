#include "coffer/api/render.hpp"

#include <fmt/format.h>

namespace coffer::api {

namespace {

template <typename T>
void member(json::writer& out, json::name name, const T& value) {
  out.key(name);
  out.value(value);
}

void text_or_null(json::writer& out, json::name name, std::string_view text) {
  out.key(name);
  if (text.empty()) {
    out.null();
  } else {
    out.value(text);
  }
}

}  // namespace

std::string transaction_id(const domain::transaction& row) {
  return fmt::format("{}-{}", row.user.value, row.at.value);
}

void render(json::writer& out, const store::user_row& user) {
  out.begin_object();
  member(out, "id", user.id.value);
  member(out, "username", std::string_view{user.username});
  member(out, "email", std::string_view{user.email});
  member(out, "balance", user.balance.value);
  member(out, "version", user.at.value);
  member(out, "created_at", std::string_view{to_rfc3339(user.created_at)});
  out.end_object();
}

void render(json::writer& out, const domain::product& product) {
  out.begin_object();
  member(out, "id", product.terms.id.value);
  member(out, "name", std::string_view{product.name});
  member(out, "description", std::string_view{product.description});
  member(out, "price", product.terms.price.value);
  member(out, "type", to_string(product.terms.type));
  member(out, "is_active", product.terms.is_active);
  out.end_object();
}

void render(json::writer& out, const domain::transaction& row) {
  out.begin_object();
  member(out, "id", std::string_view{transaction_id(row)});
  member(out, "user_id", row.user.value);
  member(out, "version", row.at.value);
  member(out, "kind", to_string(row.kind));
  out.key("product_id");
  if (row.product) {
    out.value(row.product->value);
  } else {
    out.null();
  }
  member(out, "quantity", row.quantity);
  member(out, "amount", on_the_wire(row.amount));
  member(out, "status", to_string(row.status));
  text_or_null(out, "reason", row.reason ? to_string(*row.reason) : std::string_view{});
  member(out, "balance_after", row.balance_after.value);
  text_or_null(out, "idempotency_key", row.idempotency_key);
  member(out, "request_id", std::string_view{row.request_id});
  member(out, "created_at", std::string_view{to_rfc3339(row.created_at)});
  out.end_object();
}

std::string render_inventory(const store::inventory& inventory) {
  std::string body;
  json::writer out{body};
  out.begin_object();
  member(out, "user_id", inventory.user.value);
  member(out, "version", inventory.at.value);
  out.key("items");
  out.begin_array();
  for (const store::inventory_item& item : inventory.items) {
    out.begin_object();
    member(out, "product_id", item.product.value);
    member(out, "name", std::string_view{item.name});
    member(out, "type", to_string(item.type));
    member(out, "quantity", item.quantity);
    member(out, "purchased_at", std::string_view{to_rfc3339(item.purchased_at)});
    out.end_object();
  }
  out.end_array();
  out.end_object();
  return body;
}

std::string render_best_sellers(const store::best_sellers& best) {
  std::string body;
  json::writer out{body};
  out.begin_object();
  member(out, "from", std::string_view{to_rfc3339(best.from)});
  member(out, "to", std::string_view{to_rfc3339(best.to)});
  out.key("products");
  out.begin_array();
  for (const store::product_sales& p : best.products) {
    out.begin_object();
    member(out, "product_id", p.product.value);
    member(out, "name", std::string_view{p.name});
    member(out, "type", to_string(p.type));
    member(out, "purchases", p.purchases);
    member(out, "units", p.units);
    member(out, "revenue", p.revenue);
    out.end_object();
  }
  out.end_array();
  out.end_object();
  return body;
}

std::string render_receipt(const domain::transaction& row) {
  std::string body;
  body.reserve(512);
  json::writer out{body};
  out.begin_object();
  out.key("transaction");
  render(out, row);
  member(out, "balance", row.balance_after.value);
  out.key("item");
  if (row.product) {
    out.begin_object();
    member(out, "product_id", row.product->value);
    member(out, "quantity", row.item_quantity_after.value_or(0));
    out.end_object();
  } else {
    out.null();
  }
  member(out, "version", row.at.value);
  out.end_object();
  return body;
}

}  // namespace coffer::api
