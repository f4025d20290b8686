#include "coffer/service/catalogue.hpp"

namespace coffer::service {

net::task<written<domain::product>> catalogue::create(domain::product p, std::optional<keyed<domain::product>> under,
                                                      net::deadline until) {
  const auto work = [p = std::move(p), until](pg::connection& db) { return store::insert_product(db, p, until); };
  co_return co_await write_once(db_, std::move(under), until, work);
}

net::task<written<domain::product>> catalogue::change(product_id id, store::product_changes changes,
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

net::task<result<domain::product>> catalogue::find(product_id id, net::deadline until) {
  const auto work = [id, until](pg::connection& db) { return store::find_product(db, id, until); };
  std::optional<domain::product> found = co_await with_connection(db_, until, true, work);
  if (!found) {
    co_return std::unexpected(error{errc::product_not_found});
  }
  co_return *std::move(found);
}

net::task<std::vector<domain::product>> catalogue::list(product_id after, std::optional<bool> active,
                                                        std::int64_t limit, net::deadline until) {
  const auto work = [after, active, limit, until](pg::connection& db) {
    return store::list_products(db, after, active, limit, until);
  };
  co_return co_await with_connection(db_, until, true, work);
}

}  // namespace coffer::service
