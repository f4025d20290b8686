#include <fmt/format.h>

#include "coffer/api/answers.hpp"
#include "coffer/api/cursor.hpp"
#include "coffer/api/handlers.hpp"
#include "coffer/api/list_query.hpp"

namespace coffer::api {

net::task<http::response> create_product(context& with, call c) {
  result<create_product_body> body = read_body(create_product_schema(), c.request);
  if (!body) {
    co_return refuse(body.error(), c.request);
  }
  domain::product wanted;
  wanted.terms = {.id = {},
                  .price = body->price,
                  .type = body->type,
                  .is_active = body->is_active,
                  .is_limited = body->stock.has_value(),
                  .per_user_limit = body->per_user_limit,
                  .sale_starts_at = body->sale_starts_at,
                  .sale_ends_at = body->sale_ends_at};
  wanted.stock = body->stock;
  wanted.name = std::move(body->name);
  wanted.description = std::move(body->description);
  const auto made = co_await with.catalogue.create(std::move(wanted), c.request.deadline);
  if (!made) {
    co_return refuse(made.error(), c.request);
  }
  co_return created(*made, fmt::format("/products/{}", made->terms.id.value));
}

net::task<http::response> get_product(context& with, call c) {
  const auto found = co_await with.catalogue.find(product_id{c.params[0]}, c.request.deadline);
  co_return found ? ok(*found) : refuse(found.error(), c.request);
}

net::task<http::response> change_product(context& with, call c) {
  result<change_product_body> body = read_body(change_product_schema(), c.request);
  if (!body) {
    co_return refuse(body.error(), c.request);
  }
  store::product_changes changes{.name = std::move(body->name),
                                 .description = std::move(body->description),
                                 .price = body->price,
                                 .is_active = body->is_active,
                                 .stock = body->stock,
                                 .per_user_limit = body->per_user_limit,
                                 .sale_starts_at = body->sale_starts_at,
                                 .sale_ends_at = body->sale_ends_at};
  const auto changed = co_await with.catalogue.change(product_id{c.params[0]}, std::move(changes), c.request.deadline);
  co_return changed ? ok(*changed) : refuse(changed.error(), c.request);
}

net::task<http::response> list_products(context& with, call c) {
  list_query query{c.request};
  const std::int64_t limit = query.limit();
  const auto cursor = query.text(cursor_parameter);
  const auto active = query.boolean(active_parameter);
  if (const auto valid = query.finish(); !valid) {
    co_return refuse(valid.error(), c.request);
  }
  const std::string scope = fmt::format("products {}", active ? (*active ? "active" : "inactive") : "all");
  result<std::int64_t> after = cursor ? read_cursor(*cursor, scope) : result<std::int64_t>{0};
  if (!after) {
    co_return refuse(after.error(), c.request);
  }
  // One more than asked for tells whether there is a next page.
  auto page = co_await with.catalogue.list(product_id{*after}, active, limit + 1, c.request.deadline);
  std::string next;
  if (std::ssize(page) > limit) {
    page.pop_back();
    next = make_cursor(page.back().terms.id.value, scope);
  }
  co_return http::response{200, http::json_type, render_page(std::span<const domain::product>{page}, next)};
}

}  // namespace coffer::api
