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

inline net::task<written<domain::product>> catalogue::create(domain::product p,
                                                             std::optional<keyed<domain::product>> under,
                                                             net::deadline until) {
  const auto work = [p = std::move(p), until](pg::connection& db) { return store::insert_product(db, p, until); };
  co_return co_await write_once(db_, std::move(under), until, work);
}

inline net::task<written<domain::product>> catalogue::change(product_id id, store::product_changes changes,
                                                             store::product_condition allows,
                                                             std::optional<keyed<domain::product>> under,
                                                             net::deadline until) {
  const bool renamed = changes.name.has_value();
  const auto work = [id, changes = std::move(changes), allows = std::move(allows), until](pg::connection& db) {
    return store::update_product(db, id, changes, allows, until);
  };
  const auto note = [this, id, renamed] {
    sold_out_.forget(id);
    if (renamed) {
      on_renamed_();
    }
  };
  try {
    written<domain::product> changed = co_await write_once(db_, std::move(under), until, work);
    if (changed.applied()) {
      note();
    }
    co_return changed;
  } catch (const pg::error& e) {
    // It may have been committed.
    if (e.delivered() == pg::delivery::unknown) {
      note();
    }
    throw;
  }
}

inline net::task<result<domain::product>> catalogue::find(product_id id, net::deadline until) {
  const auto work = [id, until](pg::connection& db) { return store::find_product(db, id, until); };
  std::optional<domain::product> found = co_await with_connection(db_, until, true, work);
  if (!found) {
    co_return std::unexpected(error{errc::product_not_found});
  }
  co_return *std::move(found);
}

inline net::task<std::vector<domain::product>> catalogue::list(product_id after, std::optional<bool> active,
                                                               std::int64_t limit, net::deadline until) {
  const auto work = [after, active, limit, until](pg::connection& db) {
    return store::list_products(db, after, active, limit, until);
  };
  co_return co_await with_connection(db_, until, true, work);
}

}  // namespace coffer::service
