// Products: creation, change, look-up and listing.
#pragma once

#include <functional>
#include <vector>

#include "coffer/service/once.hpp"
#include "coffer/service/sold_out_memory.hpp"
#include "coffer/store/products_store.hpp"

namespace coffer::service {

/// One instance per thread. Throws pg::error for infrastructure failures.
class catalogue {
 public:
  /// `on_renamed` is called after a change that inventories show.
  catalogue(pg::pool& db, sold_out_memory& sold_out, std::function<void()> on_renamed)
      : db_{db}, sold_out_{sold_out}, on_renamed_{std::move(on_renamed)} {}

  /// Refusal: name_taken.
  net::task<written<domain::product>> create(domain::product p, std::optional<keyed<domain::product>> under,
                                             net::deadline until);

  /// `allows` may be empty. Refusals: product_not_found, precondition_failed when the product is not as `allows` wants
  /// it, name_taken.
  net::task<written<domain::product>> change(product_id id, store::product_changes changes,
                                             store::product_condition allows,
                                             std::optional<keyed<domain::product>> under, net::deadline until);

  /// Refusal: product_not_found.
  net::task<result<domain::product>> find(product_id id, net::deadline until);

  /// Up to `limit` products after the id `after`, by id.
  net::task<std::vector<domain::product>> list(product_id after, std::optional<bool> active, std::int64_t limit,
                                               net::deadline until);

 private:
  pg::pool& db_;
  sold_out_memory& sold_out_;
  std::function<void()> on_renamed_;
};

}  // namespace coffer::service
