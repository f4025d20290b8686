#include "coffer/store/products_store.hpp"

namespace coffer::store {

namespace {

constexpr pg::statement insert_row{
    "product_insert",
    "insert into products (id, name, description, price, type, is_active, created_at, updated_at)"
    " values (nextval('product_ids'), $1, $2, $3, $4, $5, now(), now())"
    " returning id, name, description, price, type, is_active"};
constexpr pg::statement update_row{
    "product_update",
    "update products set name = coalesce($2, name), description = coalesce($3, description),"
    " price = coalesce($4, price), is_active = coalesce($5, is_active), updated_at = now() where id = $1"
    " returning id, name, description, price, type, is_active"};
constexpr pg::statement select_product{
    "product_find", "select id, name, description, price, type, is_active from products where id = $1"};
constexpr pg::statement select_page{"product_list",
                                    "select id, name, description, price, type, is_active from products"
                                    " where id > $1 and ($2::boolean is null or is_active = $2) order by id limit $3"};

domain::product read_product(const pg::rows& result, int row) {
  domain::product p;
  p.terms.id = product_id{result.int64(row, 0)};
  p.name = std::string{result.text(row, 1)};
  p.description = std::string{result.text(row, 2)};
  p.terms.price = domain::credits{result.int64(row, 3)};
  p.terms.type = static_cast<domain::product_type>(result.int16(row, 4));
  p.terms.is_active = result.boolean(row, 5);
  return p;
}

/// Runs a statement that writes one product; a clash of names is a refusal.
net::task<result<domain::product>> write_product(pg::connection& db, const pg::statement& what, pg::params with,
                                                 net::deadline until) {
  std::optional<pg::error> failure;
  try {
    const pg::rows written = co_await db.query(what, std::move(with), until);
    if (written.empty()) {
      co_return std::unexpected(error{errc::product_not_found});
    }
    co_return read_product(written, 0);
  } catch (const pg::error& e) {
    failure.emplace(e);
  }
  if (failure->state() == pg::sqlstate::unique_violation) {
    co_return std::unexpected(error{errc::name_taken});
  }
  throw *failure;
}

}  // namespace

net::task<result<domain::product>> insert_product(pg::connection& db, domain::product p, net::deadline until) {
  pg::params with;
  with.add(p.name).add(p.description).add(p.terms.price);
  with.add(static_cast<std::int16_t>(p.terms.type)).add(p.terms.is_active);
  return write_product(db, insert_row, std::move(with), until);
}

net::task<result<domain::product>> update_product(pg::connection& db, product_id id, product_changes changes,
                                                  net::deadline until) {
  pg::params with;
  with.add(id).add(changes.name).add(changes.description).add(changes.price).add(changes.is_active);
  return write_product(db, update_row, std::move(with), until);
}

net::task<std::optional<domain::product>> find_product(pg::connection& db, product_id id, net::deadline until) {
  pg::params with;
  with.add(id);
  const pg::rows found = co_await db.query(select_product, std::move(with), until);
  if (found.empty()) {
    co_return std::nullopt;
  }
  co_return read_product(found, 0);
}

net::task<std::vector<domain::product>> list_products(pg::connection& db, product_id after, std::optional<bool> active,
                                                      std::int64_t limit, net::deadline until) {
  pg::params with;
  with.add(after).add(active).add(limit);
  const pg::rows found = co_await db.query(select_page, std::move(with), until);
  std::vector<domain::product> page;
  page.reserve(static_cast<std::size_t>(found.size()));
  for (int row = 0; row < found.size(); ++row) {
    page.push_back(read_product(found, row));
  }
  co_return page;
}

}  // namespace coffer::store
