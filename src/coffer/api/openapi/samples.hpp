// Values that examples in documents are rendered from.
#pragma once

#include "coffer/domain/product.hpp"
#include "coffer/domain/transaction.hpp"
#include "coffer/service/health.hpp"
#include "coffer/store/inventory_store.hpp"
#include "coffer/store/sales_store.hpp"
#include "coffer/store/users_store.hpp"

namespace coffer::api::samples {

inline constexpr std::string_view request_id = "_gkWSeLU6OFB4fA-g7R0iF";
inline constexpr timestamp some_time{std::chrono::microseconds{1795395643328311}};  // 2026-11-23T01:00:43.328311Z

/// A row of the journal, but for what it is about.
inline domain::transaction sample_row(domain::transaction_kind kind, std::int64_t at) {
  domain::transaction made;
  made.user = user_id{1};
  made.at = version{at};
  made.kind = kind;
  made.request_id = request_id;
  made.created_at = some_time;
  made.by = domain::actor::server_key(1);
  return made;
}

inline store::user_row user() {
  store::user_row made;
  made.id = user_id{1};
  made.username = "ada";
  made.email = "ada@example.com";
  made.balance = domain::credits{9800};
  made.at = version{2};
  made.created_at = some_time;
  return made;
}

inline domain::product product() {
  domain::product made;
  made.terms.id = product_id{1};
  made.terms.price = domain::credits{100};
  made.name = "Day boost";
  made.description = "Twice the experience for a day.";
  return made;
}

inline domain::transaction deposit() {
  domain::transaction made = sample_row(domain::transaction_kind::deposit, 1);
  made.amount = made.balance_after = domain::credits{10000};
  made.idempotency_key = "payment-77";
  return made;
}

inline domain::transaction purchase() {
  domain::transaction made = sample_row(domain::transaction_kind::purchase, 2);
  made.product = product_id{1};
  made.quantity = 2;
  made.amount = domain::credits{200};
  made.balance_after = domain::credits{9800};
  made.item_quantity_after = 2;
  made.idempotency_key = "order-1001";
  return made;
}

inline domain::transaction use() {
  domain::transaction made = sample_row(domain::transaction_kind::use, 3);
  made.product = product_id{1};
  made.quantity = 1;
  made.balance_after = domain::credits{9800};
  made.item_quantity_after = 1;
  return made;
}

inline domain::transaction grant() {
  domain::transaction made = sample_row(domain::transaction_kind::grant, 4);
  made.product = product_id{1};
  made.quantity = 3;
  made.balance_after = domain::credits{9800};
  made.item_quantity_after = 4;
  made.note = "compensation for the outage";
  return made;
}

inline domain::transaction refund() {
  domain::transaction made = sample_row(domain::transaction_kind::refund, 5);
  made.product = product_id{1};
  made.quantity = 1;
  made.amount = domain::credits{100};
  made.balance_after = domain::credits{9900};
  made.item_quantity_after = 3;
  made.details = domain::row_details::of_refund(version{2}, 0);
  made.note = "bought by accident";
  return made;
}

inline store::inventory inventory() {
  store::inventory made;
  made.user = user_id{1};
  made.at = version{3};
  store::inventory_item item;
  item.product = product_id{1};
  item.name = product().name;
  item.quantity = 1;
  item.purchased_at = some_time;
  made.items.push_back(std::move(item));
  return made;
}

inline store::best_sellers best_sellers() {
  store::best_sellers made;
  made.to = std::chrono::floor<std::chrono::hours>(some_time);
  made.from = made.to - std::chrono::days{7};
  store::product_sales sales;
  sales.product = product_id{1};
  sales.name = product().name;
  sales.purchases = 1200;
  sales.units = 1500;
  sales.revenue = 150000;
  made.products.push_back(std::move(sales));
  return made;
}

inline service::health_report health() {
  service::health_report made;
  made.ready = true;
  made.database = true;
  made.schema = "ready";
  made.cache.state = "up";
  return made;
}

inline service::health_report not_ready() {
  service::health_report made;
  made.database = true;
  made.schema = "missing";
  made.cache.state = "up";
  made.message = "the database has no schema yet: run `coffer migrate up`";
  return made;
}

}  // namespace coffer::api::samples
