// The resources of the contract as JSON.
#pragma once

#include <span>
#include <string>

#include "coffer/api/audience.hpp"
#include "coffer/api/shape.hpp"
#include "coffer/domain/product.hpp"
#include "coffer/domain/transaction.hpp"
#include "coffer/service/health.hpp"
#include "coffer/service/keys.hpp"
#include "coffer/store/inventory_store.hpp"
#include "coffer/store/sales_store.hpp"
#include "coffer/store/users_store.hpp"

namespace coffer::api {

/// A single resource as a body.
std::string render_body(const store::user_row& user);
std::string render_body(const domain::product& product);
std::string render_body(const shown_transaction& row);
std::string render_body(const service::health_report& report);
std::string render_body(const store::key_row& key);
/// With the key itself.
std::string render_body(const service::made_key& made);

/// {"user_id", "version", "items": [...]}.
std::string render_inventory(const store::inventory& inventory);

/// {"from", "to", "products": [...]}.
std::string render_best_sellers(const store::best_sellers& best);

/// The receipt that a completed row stands for. A pure function of the row, so that a replay is the same bytes.
std::string render_receipt(const shown_transaction& of);

/// "<user_id>-<version>".
std::string transaction_id(const domain::transaction& row);

/// {"items": [...], "next_cursor": "..." or null}; an empty cursor is the end.
std::string render_page(std::span<const domain::product> items, std::string_view next_cursor);
std::string render_page(std::span<const store::user_row> items, std::string_view next_cursor);
std::string render_page(std::span<const domain::transaction> items, std::string_view next_cursor, audience to);

/// What each of these looks like, with an example, from the same functions that write it.
void add_shapes(shapes& all);

}  // namespace coffer::api
