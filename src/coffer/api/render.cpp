#include "coffer/api/render.hpp"

#include <fmt/format.h>

#include "coffer/api/actor.hpp"
#include "coffer/api/list_query.hpp"
#include "coffer/api/samples.hpp"
#include "coffer/api/vocabulary.hpp"

namespace coffer::api {

namespace {

constexpr note shown_id{.minimum = 1, .maximum = max_json_integer};
constexpr note any_version{.text = "Place in the user's history: dense, from 1 on; 0 is a user without history.",
                           .minimum = 0,
                           .maximum = max_json_integer};
constexpr note any_credits{.text = "Whole credits.", .minimum = 0, .maximum = domain::max_credits.value};
constexpr note any_balance{
    .text = "Whole credits owned afterwards.", .minimum = 0, .maximum = domain::max_credits.value};
constexpr note any_count{.minimum = 0, .maximum = max_json_integer};
constexpr note any_time{.text = "RFC 3339, UTC, microseconds.", .format = "date-time"};
constexpr note any_type{.text = "Consumables stack and are used up; a permanent is owned once.",
                        .names = product_types};
constexpr note sale_start{.text = "The first moment of the sale; null: no start.", .format = "date-time"};
constexpr note sale_end{.text = "The first moment after the sale; null: no end.", .format = "date-time"};
constexpr note shown_name{.text = "Shown to players.", .maximum = longest_name};
constexpr note error_code{.text = "Error code of a failed row.", .maximum = longest_code};

/// A page of a list.
template <typename Resource>
struct page {
  std::span<const Resource> items;
  std::string_view next_cursor;
};

/// What the user has of the product that a receipt is about.
struct receipt_item {
  std::int64_t product = 0;
  std::int64_t quantity = 0;
};

/// A completed row as the answer to its request.
struct receipt {
  const shown_transaction& of;
};

std::optional<std::int64_t> id_of(const std::optional<product_id>& product) {
  return product ? std::optional{product->value} : std::nullopt;
}

}  // namespace

// These are found by their first argument, hence not in the unnamed namespace.

template <typename Sink>
static void members_of(Sink& out, const store::user_row& user) {
  out.called("User");
  out.member("id", user.id.value, shown_id);
  out.member("username", user.username, {.text = "Unique regardless of case.", .maximum = longest_username});
  out.member("email", user.email, {.text = "Unique regardless of case.", .maximum = longest_email});
  out.member("balance", user.balance.value, any_credits);
  out.member("version", user.at.value, any_version);
  out.member("created_at", to_rfc3339(user.created_at), any_time);
}

template <typename Sink>
static void members_of(Sink& out, const domain::product& product) {
  out.called("Product");
  out.member("id", product.terms.id.value, shown_id);
  out.member("name", product.name, shown_name);
  out.member("description", product.description, {.text = "Shown to players.", .maximum = longest_description});
  out.member("price", product.terms.price.value, {.text = "Whole credits per unit.", .minimum = 0});
  out.member("type", to_string(product.terms.type), any_type);
  out.member("is_active", product.terms.is_active, {.text = "Whether the product can be bought."});
  out.nullable("stock", product.stock, {.text = "Units left; null: unlimited.", .minimum = 0});
  out.nullable("per_user_limit", product.terms.per_user_limit,
               {.text = "Units that one user may ever buy; null: any number.", .minimum = 1});
  out.nullable("sale_starts_at", to_rfc3339_if_any(product.terms.sale_starts_at), sale_start);
  out.nullable("sale_ends_at", to_rfc3339_if_any(product.terms.sale_ends_at), sale_end);
}

template <typename Sink>
static void members_of(Sink& out, const shown_transaction& shown) {
  const domain::transaction& row = shown.row;
  out.called("Transaction");
  out.member("id", transaction_id(row),
             {.text = "<user_id>-<version>", .maximum = 33, .pattern = "^[1-9][0-9]*-[1-9][0-9]*$"});
  out.member("user_id", row.user.value, shown_id);
  out.member("version", row.at.value, any_version);
  out.member("kind", to_string(row.kind), {.text = "What was asked for.", .names = transaction_kinds});
  out.nullable("product_id", id_of(row.product), {.text = "Null where no product is concerned.", .minimum = 1});
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

template <typename Sink>
static void members_of(Sink& out, const receipt_item& item) {
  out.called("ReceiptItem");
  out.member("product_id", item.product, shown_id);
  out.member("quantity", item.quantity, {.text = "Units owned afterwards.", .minimum = 0});
}

template <typename Sink>
static void members_of(Sink& out, const receipt& of) {
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

template <typename Sink>
static void members_of(Sink& out, const store::inventory_item& item) {
  out.called("InventoryItem");
  out.member("product_id", item.product.value, shown_id);
  out.member("name", item.name, shown_name);
  out.member("type", to_string(item.type), any_type);
  out.member("quantity", item.quantity, {.text = "Units owned.", .minimum = 1});
  out.member("purchased_at", to_rfc3339(item.purchased_at), {.text = "The latest purchase.", .format = "date-time"});
}

template <typename Sink>
static void members_of(Sink& out, const store::inventory& inventory) {
  out.called("Inventory");
  out.member("user_id", inventory.user.value, shown_id);
  out.member("version", inventory.at.value, any_version);
  out.list("items", std::span<const store::inventory_item>{inventory.items},
           {.text = "By product_id; what has been used up is left out."});
  out.if_any("as_of", to_rfc3339_if_any(inventory.as_of),
             {.text = "Of a past inventory: the time that was asked for.", .format = "date-time"});
}

template <typename Sink>
static void members_of(Sink& out, const store::product_sales& sales) {
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
static void members_of(Sink& out, const store::best_sellers& best) {
  out.called("PopularProducts");
  out.member("from", to_rfc3339(best.from), any_time);
  out.member("to", to_rfc3339(best.to), any_time);
  out.list("products", std::span<const store::product_sales>{best.products},
           {.text = "By number of completed purchases, then by product_id.", .maximum = 5});
}

template <typename Sink>
static void members_of(Sink& out, const service::health_report& report) {
  static constexpr std::string_view states[] = {"ready", "not ready", "draining"};
  static constexpr std::string_view database_states[] = {"up", "down"};
  static constexpr std::string_view schema_states[] = {"ready", "missing", "older", "newer", "unfit", "unknown"};
  static constexpr std::string_view cache_states[] = {"up", "down", "off"};
  out.called("Health");
  out.member("status", report.ready ? states[0] : states[report.draining ? 2 : 1], {.names = states});
  out.member("database", database_states[report.database ? 0 : 1],
             {.text = "Whether it answers.", .names = database_states});
  out.member(
      "schema", report.schema,
      {.text = "Whether it is the one that this server needs. unfit: the database itself cannot be used; unknown: "
               "it could not be read.",
       .names = schema_states});
  out.member("cache", report.cache.state, {.text = "Never a reason not to be ready.", .names = cache_states});
  out.nullable("message", report.message, {.text = "Why not ready, with the next step.", .maximum = longest_detail});
  const std::string& why = report.cache.message;
  out.if_any("cache_message", why.empty() ? std::nullopt : std::optional<std::string_view>{why},
             {.text = "Why the cache cannot be used although it answers.", .maximum = longest_detail});
}

template <typename Sink, typename Resource>
static void members_of(Sink& out, const page<Resource>& of) {
  out.called(std::same_as<Resource, domain::product>   ? "ProductPage"
             : std::same_as<Resource, store::user_row> ? "UserPage"
                                                       : "TransactionPage");
  out.list("items", of.items, {.maximum = largest_page});
  out.nullable("next_cursor", of.next_cursor,
               {.text = "For the next page; null at the end.", .maximum = longest_cursor});
}

std::string transaction_id(const domain::transaction& row) {
  return fmt::format("{}-{}", row.user.value, row.at.value);
}

std::string render_body(const store::user_row& user) { return rendered(user); }
std::string render_body(const domain::product& product) { return rendered(product); }
std::string render_body(const shown_transaction& row) { return rendered(row); }
std::string render_body(const service::health_report& report) { return rendered(report); }
std::string render_inventory(const store::inventory& inventory) { return rendered(inventory); }
std::string render_best_sellers(const store::best_sellers& best) { return rendered(best); }
std::string render_receipt(const shown_transaction& of) {
  constexpr std::size_t usual_receipt = 512;
  return rendered(receipt{of}, usual_receipt);
}
std::string render_page(std::span<const domain::product> items, std::string_view next_cursor) {
  return rendered(page<domain::product>{items, next_cursor});
}
std::string render_page(std::span<const store::user_row> items, std::string_view next_cursor) {
  return rendered(page<store::user_row>{items, next_cursor});
}
std::string render_page(std::span<const domain::transaction> items, std::string_view next_cursor, audience to) {
  std::vector<shown_transaction> shown;
  shown.reserve(items.size());
  for (const domain::transaction& row : items) {
    shown.push_back({row, to});
  }
  return rendered(page<shown_transaction>{shown, next_cursor});
}

void add_shapes(shapes& all) {
  const domain::product products[] = {samples::product()};
  const domain::transaction bought = samples::purchase();
  const shown_transaction rows[] = {{bought, audience::operators}};
  all.add(samples::user());
  all.add(products[0]);
  all.add(rows[0]);
  all.add(receipt{rows[0]});
  all.add(samples::inventory());
  all.add(samples::best_sellers());
  all.add(samples::health());
  const store::user_row users[] = {samples::user()};
  all.add(page<store::user_row>{users, {}});
  all.add(page<domain::product>{products, "1-6f2b0c9d4e1a"});
  all.add(page<shown_transaction>{rows, "2-6f2b0c9d4e1a"});
}

}  // namespace coffer::api
