// The resources of the contract as JSON.
#pragma once

#include <span>
#include <string>

#include "coffer/domain/product.hpp"
#include "coffer/domain/transaction.hpp"
#include "coffer/json/writer.hpp"
#include "coffer/store/inventory_store.hpp"
#include "coffer/store/sales_store.hpp"
#include "coffer/store/users_store.hpp"

namespace coffer::api {

/// Each appends one object to `out`.
void render(json::writer& out, const store::user_row& user);
void render(json::writer& out, const domain::product& product);
void render(json::writer& out, const domain::transaction& row);

/// {"user_id", "version", "items": [...]}.
std::string render_inventory(const store::inventory& inventory);

/// {"from", "to", "products": [...]}.
std::string render_best_sellers(const store::best_sellers& best);

/// The receipt that a completed row stands for. A pure function of the row, so that a replay is the same bytes.
std::string render_receipt(const domain::transaction& row);

/// "<user_id>-<version>".
std::string transaction_id(const domain::transaction& row);

/// Any single resource as a body.
template <typename Resource>
std::string render_body(const Resource& resource) {
  std::string body;
  json::writer out{body};
  render(out, resource);
  return body;
}

/// {"items": [...], "next_cursor": "..." or null}; an empty cursor is the end.
template <typename Resource>
std::string render_page(std::span<const Resource> items, std::string_view next_cursor) {
  std::string body;
  json::writer out{body};
  out.begin_object();
  out.key("items");
  out.begin_array();
  for (const Resource& item : items) {
    render(out, item);
  }
  out.end_array();
  out.key("next_cursor");
  if (next_cursor.empty()) {
    out.null();
  } else {
    out.value(next_cursor);
  }
  out.end_object();
  return body;
}

}  // namespace coffer::api
