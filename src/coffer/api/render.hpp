// The resources that answers consist of, as JSON; those of one endpoint alone are in its own header.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "coffer/api/actor.hpp"
#include "coffer/api/audience.hpp"
#include "coffer/api/list_query.hpp"
#include "coffer/api/shape.hpp"
#include "coffer/api/vocabulary.hpp"
#include "coffer/auth/key_rules.hpp"
#include "coffer/domain/product.hpp"
#include "coffer/domain/transaction.hpp"
#include "coffer/service/keys.hpp"
#include "coffer/store/inventory_store.hpp"
#include "coffer/store/sales_store.hpp"

namespace coffer::api {

// What is said of members that several resources have.
inline constexpr note shown_id{.minimum = 1, .maximum = max_json_integer};
inline constexpr note any_version{.text = "Place in the user's history: dense, from 1 on; 0 is a user without history.",
                                  .minimum = 0,
                                  .maximum = max_json_integer};
inline constexpr note any_credits{.text = "Whole credits.", .minimum = 0, .maximum = domain::max_credits.value};
inline constexpr note any_balance{
    .text = "Whole credits owned afterwards.", .minimum = 0, .maximum = domain::max_credits.value};
inline constexpr note any_count{.minimum = 0, .maximum = max_json_integer};
inline constexpr note any_time{.text = "RFC 3339, UTC, microseconds.", .format = "date-time"};
inline constexpr note any_type{.text = "Consumables stack and are used up; a permanent is owned once.",
                               .names = product_types};
inline constexpr note sale_start{.text = "The first moment of the sale; null: no start.", .format = "date-time"};
inline constexpr note sale_end{.text = "The first moment after the sale; null: no end.", .format = "date-time"};
inline constexpr note shown_name{.text = "Shown to players.", .maximum = longest_name};
inline constexpr note error_code{.text = "Error code of a failed row.", .maximum = longest_code};

/// The name of a page of such resources in documents. Specialised where the resource is described.
template <typename Resource>
inline constexpr std::string_view page_name{};

/// A page of a list; an empty cursor is the end.
template <typename Resource>
struct page {
  std::span<const Resource> items;
  std::string_view next_cursor;
};

template <typename Sink, typename Resource>
void members_of(Sink& out, const page<Resource>& of) {
  static_assert(!page_name<Resource>.empty());
  out.called(page_name<Resource>);
  out.list("items", of.items, {.maximum = largest_page});
  out.nullable("next_cursor", of.next_cursor,
               {.text = "For the next page; null at the end.", .maximum = longest_cursor});
}

/// "<user_id>-<version>".
inline std::string transaction_id(const domain::transaction& row) {
  return fmt::format("{}-{}", row.user.value, row.at.value);
}

template <typename Sink>
void members_of(Sink& out, const shown_transaction& shown) {
  const domain::transaction& row = shown.row;
  out.called("Transaction");
  out.member("id", transaction_id(row),
             {.text = "<user_id>-<version>", .maximum = 33, .pattern = "^[1-9][0-9]*-[1-9][0-9]*$"});
  out.member("user_id", row.user.value, shown_id);
  out.member("version", row.at.value, any_version);
  out.member("kind", to_string(row.kind), {.text = "What was asked for.", .names = transaction_kinds});
  out.nullable("product_id", row.product ? std::optional{row.product->value} : std::nullopt,
               {.text = "Null where no product is concerned.", .minimum = 1});
  out.member("quantity", row.quantity, {.text = "Units; 0 where no product is concerned.", .minimum = 0});
  out.member("amount", on_the_wire(row.amount), {.text = "Whole credits that moved, or would have.", .minimum = 0});
  out.member("status", to_string(row.status),
             {.text = "A failed row changed nothing and says why.", .names = transaction_statuses});
  out.nullable("reason", domain::reason_of(row), error_code);
  out.member("balance_after", row.balance_after.value, any_balance);
  out.nullable("idempotency_key", row.idempotency_key,
               {.text = "The key of the request, without quotes.", .maximum = longest_key});
  out.member("request_id", row.request_id,
             {.text = "X-Request-Id of the request that was decided.", .maximum = longest_request_id});
  out.member("created_at", to_rfc3339(row.created_at), any_time);
  out.nested_or_null("actor", shown_actor_of(row), actor_note);
  out.if_any("direction", grant_direction(row),
             {.text = "Of a grant: whether it gives or takes.", .names = grant_directions});
  out.if_any("refunded_version", refunded_version(row),
             {.text = "Of a refund: the version of the purchase or deposit.", .minimum = 1});
  out.if_any("missing", missing_of(row),
             {.text = "Of a purchase's refund: units that had been used up and were paid back all the same. Of a "
                      "deposit's: credits that had been spent and could not be taken back.",
              .minimum = 0});
  const std::string_view why = shown.note();
  out.if_any("note", why.empty() ? std::nullopt : std::optional{why},
             {.text = "Of a grant or refund: the operator's reason. Players see it only if it is public.",
              .maximum = longest_reason});
  out.if_any("note_public", shown.note_public(),
             {.text = "Of a grant or refund: whether players see the note. Not shown to players."});
}

/// What the user has of the product that a receipt is about.
struct receipt_item {
  std::int64_t product = 0;
  std::int64_t quantity = 0;
};

template <typename Sink>
void members_of(Sink& out, const receipt_item& item) {
  out.called("ReceiptItem");
  out.member("product_id", item.product, shown_id);
  out.member("quantity", item.quantity, {.text = "Units owned afterwards.", .minimum = 0});
}

/// A completed row as the answer to its request.
struct receipt {
  const shown_transaction& of;
};

template <typename Sink>
void members_of(Sink& out, const receipt& of) {
  const domain::transaction& row = of.of.row;
  std::optional<receipt_item> item;
  if (row.product) {
    item = receipt_item{.product = row.product->value, .quantity = row.item_quantity_after.value_or(0)};
  }
  out.called("Receipt");
  out.nested("transaction", of.of, {});
  out.member("balance", row.balance_after.value, any_balance);
  out.nested_or_null("item", item, {.text = "What the user has of the product; null where none is concerned."});
  out.member("version", row.at.value, any_version);
}

/// The receipt that a completed row stands for. A pure function of the row, so that a replay is the same bytes.
inline std::string render_receipt(const shown_transaction& of) {
  constexpr std::size_t usual_receipt = 512;
  return rendered(receipt{of}, usual_receipt);
}

template <typename Sink>
void members_of(Sink& out, const store::inventory_item& item) {
  out.called("InventoryItem");
  out.member("product_id", item.product.value, shown_id);
  out.member("name", item.name, shown_name);
  out.member("type", to_string(item.type), any_type);
  out.member("quantity", item.quantity, {.text = "Units owned.", .minimum = 1});
  out.member("purchased_at", to_rfc3339(item.purchased_at), {.text = "The latest purchase.", .format = "date-time"});
}

template <typename Sink>
void members_of(Sink& out, const store::inventory& inventory) {
  out.called("Inventory");
  out.member("user_id", inventory.user.value, shown_id);
  out.member("version", inventory.at.value, any_version);
  out.list("items", std::span<const store::inventory_item>{inventory.items},
           {.text = "By product_id; what has been used up is left out."});
  out.if_any("as_of", to_rfc3339_if_any(inventory.as_of),
             {.text = "Of a past inventory: the time that was asked for.", .format = "date-time"});
}

inline std::string render_inventory(const store::inventory& inventory) { return rendered(inventory); }

template <typename Sink>
void members_of(Sink& out, const store::product_sales& sales) {
  out.called("ProductSales");
  out.member("product_id", sales.product.value, shown_id);
  out.member("name", sales.name, shown_name);
  out.member("type", to_string(sales.type), any_type);
  out.member("purchases", sales.purchases, any_count);
  out.member("units", sales.units, any_count);
  out.member("revenue", sales.revenue,
             {.text = "Whole credits, up to 2^53-1.", .minimum = 0, .maximum = max_json_integer});
}

template <typename Sink>
void members_of(Sink& out, const store::best_sellers& best) {
  out.called("PopularProducts");
  out.member("from", to_rfc3339(best.from), any_time);
  out.member("to", to_rfc3339(best.to), any_time);
  out.list("products", std::span<const store::product_sales>{best.products},
           {.text = "By number of completed purchases, then by product_id.", .maximum = 5});
}

inline std::string render_best_sellers(const store::best_sellers& best) { return rendered(best); }

inline constexpr std::string_view key_kinds[] = {"live", "test"};

/// Of a server key, whether or not its text is shown too.
template <typename Sink>
void key_members(Sink& out, const store::key_row& key) {
  constexpr note time{.format = "date-time"};
  out.member("id", key.id, {.minimum = 1});
  out.member("name", key.name,
             {.text = "What it is for.", .maximum = static_cast<std::int64_t>(auth::key_name.max_length)});
  out.member("kind", key_kinds[key.kind == auth::key_kind::test ? 1 : 0],
             {.text = "Test keys open only servers that accept them.", .names = key_kinds});
  out.member("scopes", auth::to_string(key.scopes),
             {.text = "Separated by spaces.", .maximum = static_cast<std::int64_t>(auth::scope_list.max_length)});
  out.member("hint", key.hint, {.text = "The last characters of the key.", .maximum = 8});
  out.member("created_at", to_rfc3339(key.created_at), time);
  out.nullable("expires_at", to_rfc3339_if_any(key.expires_at), {.text = "Null: never.", .format = "date-time"});
  out.nullable("revoked_at", to_rfc3339_if_any(key.revoked_at), {.text = "Null: in force.", .format = "date-time"});
  out.nullable("last_used_at", to_rfc3339_if_any(key.last_used_at),
               {.text = "Up to a minute late; null: never.", .format = "date-time"});
}

template <typename Sink>
void members_of(Sink& out, const store::key_row& key) {
  out.called("Key");
  key_members(out, key);
}

/// All keys, as a list shows them.
struct key_list {
  std::span<const store::key_row> items;
};

template <typename Sink>
void members_of(Sink& out, const key_list& keys) {
  out.called("Keys");
  out.list("items", keys.items, {.maximum = store::listed_keys});
}

}  // namespace coffer::api
