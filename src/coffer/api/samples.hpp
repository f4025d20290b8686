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

store::user_row user();
domain::product product();
domain::transaction deposit();
domain::transaction purchase();
domain::transaction use();
domain::transaction grant();
domain::transaction refund();
store::inventory inventory();
store::best_sellers best_sellers();
service::health_report health();
service::health_report not_ready();

}  // namespace coffer::api::samples
