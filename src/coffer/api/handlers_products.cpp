#include <fmt/format.h>

#include "coffer/api/answers.hpp"
#include "coffer/api/cursor.hpp"
#include "coffer/api/etag.hpp"
#include "coffer/api/handlers.hpp"
#include "coffer/api/list_query.hpp"
#include "coffer/api/once.hpp"

namespace coffer::api {

namespace {

/// The product as it is sent, with the tag of that.
http::response answer_product(int status, const domain::product& product) {
  http::response answer{status, http::json_type, render_body(product)};
  answer.add("ETag", digest_etag(answer.body));
  return answer;
}

/// What If-Match asks for; empty when the request has none.
store::product_condition condition_of_change(const http::request& r) {
  auto wanted = r.list("If-Match");
  if (!wanted) {
    return {};
  }
  return [tags = *std::move(wanted)](const domain::product& now) {
    return match_hits(tags, digest_etag(render_body(now)));
  };
}

}  // namespace

net::task<http::response> create_product(context& with, call c) {
  result<std::string> key = idempotency_key(c.request);
  if (!key) {
    co_return refuse(key.error(), c.request);
  }
  result<create_product_body> body = read_body(create_product_schema(), c.request);
  if (!body) {
    co_return refuse(body.error(), c.request);
  }
  const auto respond = [r = &c.request](const result<domain::product>& made) {
    if (!made) {
      return refuse(made.error(), *r);
    }
    http::response answer = answer_product(201, *made);
    answer.add("Location", fmt::format("/products/{}", made->terms.id.value));
    return answer;
  };
  auto under = keyed<domain::product>(c, *std::move(key), "create-product", 0, canonical(*body), respond);
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
  const auto made = co_await with.catalogue.create(std::move(wanted), std::move(under), c.request.deadline);
  co_return answer_written(made, respond);
}

net::task<http::response> get_product(context& with, call c) {
  const auto found = co_await with.catalogue.find(product_id{c.params[0]}, c.request.deadline);
  if (!found) {
    co_return refuse(found.error(), c.request);
  }
  http::response whole{200, http::json_type, render_body(*found)};
  whole.add("Cache-Control", "private, no-cache");
  std::string etag = digest_etag(whole.body);
  co_return conditional(std::move(whole), std::move(etag), c.request);
}

net::task<http::response> change_product(context& with, call c) {
  result<std::string> key = idempotency_key(c.request);
  if (!key) {
    co_return refuse(key.error(), c.request);
  }
  result<change_product_body> body = read_body(change_product_schema(), c.request);
  if (!body) {
    co_return refuse(body.error(), c.request);
  }
  const auto respond = [r = &c.request](const result<domain::product>& changed) {
    return changed ? answer_product(200, *changed) : refuse(changed.error(), *r);
  };
  const product_id id{c.params[0]};
  auto under = keyed<domain::product>(c, *std::move(key), "change-product", id.value, canonical(*body), respond);
  store::product_changes changes{.name = std::move(body->name),
                                 .description = std::move(body->description),
                                 .price = body->price,
                                 .is_active = body->is_active,
                                 .stock = body->stock,
                                 .per_user_limit = body->per_user_limit,
                                 .sale_starts_at = body->sale_starts_at,
                                 .sale_ends_at = body->sale_ends_at};
  store::product_condition allows = condition_of_change(c.request);
  const auto changed =
      co_await with.catalogue.change(id, std::move(changes), std::move(allows), std::move(under), c.request.deadline);
  co_return answer_written(changed, respond);
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
