// /products: makes products, lists them, shows and changes one.
#pragma once

#include "coffer/api/answers.hpp"
#include "coffer/api/cursor.hpp"
#include "coffer/api/endpoints/body_members.hpp"
#include "coffer/api/once.hpp"
#include "coffer/api/openapi/samples.hpp"
#include "coffer/base/text.hpp"
#include "coffer/domain/product.hpp"

namespace coffer::api {

template <typename Sink>
void members_of(Sink& out, const domain::product& product) {
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

template <>
inline constexpr std::string_view page_name<domain::product> = "ProductPage";

namespace detail {

inline constexpr json::integer any_stock{0, 1'000'000'000};
inline constexpr json::integer any_limit{1, 1'000'000'000};
inline constexpr json::text product_name{1, 100, json::charset::line};
inline constexpr json::text product_description{0, 2000, json::charset::text};

inline constexpr std::string_view name_help =
    "Shown to players; unique regardless of case, of spaces around it, of characters that are not seen and of how "
    "letters are composed.";
inline constexpr std::string_view description_help = "Shown to players.";
inline constexpr std::string_view price_help = "Whole credits per unit.";
inline constexpr std::string_view active_help = "Whether the product can be bought.";
inline constexpr std::string_view stock_help = "Units left from now on; null: unlimited.";
inline constexpr std::string_view limit_help =
    "Units that one user may ever buy, used up ones included; null: any number.";
inline constexpr std::string_view starts_help = "The first moment of the sale; null: no start.";
inline constexpr std::string_view ends_help = "The first moment after the sale; null: no end.";

inline void check_name(std::string_view name, json::violations& found) {
  if (!has_visible(name)) {
    found.add("name", "pattern", "must have a character that can be seen");
  }
}

inline void check_sale(std::optional<timestamp> starts, std::optional<timestamp> ends, json::violations& found) {
  if (starts && ends && *ends <= *starts) {
    found.add("sale_ends_at", "after", "must be after sale_starts_at");
  }
}

/// The product as it is sent, with the tag of that.
inline http::response answer_product(int status, const domain::product& product) {
  http::response answer{status, http::json_type, rendered(product)};
  answer.add("ETag", digest_etag(answer.body));
  return answer;
}

/// What If-Match asks for; empty when the request has none.
inline store::product_condition condition_of_change(const http::request& r) {
  auto wanted = r.list("If-Match");
  if (!wanted) {
    return {};
  }
  return
      [tags = *std::move(wanted)](const domain::product& now) { return match_hits(tags, digest_etag(rendered(now))); };
}

inline constexpr std::string_view product_tag = R"("\"9d41e07c3ab65f82\"")";

}  // namespace detail

/// POST /products
struct create_product_body {
  std::string name;
  std::string description;
  domain::credits price;
  domain::product_type type = domain::product_type::consumable;
  bool is_active = true;
  std::optional<std::int64_t> stock;
  std::optional<std::int64_t> per_user_limit;
  std::optional<timestamp> sale_starts_at;
  std::optional<timestamp> sale_ends_at;
};

inline const json::object<create_product_body>& create_product_schema() {
  static const auto schema =
      json::object<create_product_body>{"CreateProduct"}
          .required("name", &create_product_body::name, detail::product_name, detail::name_help)
          .optional("description", &create_product_body::description, detail::product_description,
                    detail::description_help)
          .required("price", &create_product_body::price, any_price, detail::price_help)
          .required("type", &create_product_body::type, json::choice{{"consumable", "permanent"}},
                    "Consumables stack and are used up; a permanent is owned once. Cannot be changed later.")
          .optional("is_active", &create_product_body::is_active, json::boolean{}, detail::active_help)
          .optional("stock", &create_product_body::stock, detail::any_stock, detail::stock_help)
          .optional("per_user_limit", &create_product_body::per_user_limit, detail::any_limit, detail::limit_help)
          .optional("sale_starts_at", &create_product_body::sale_starts_at, json::date_time{}, detail::starts_help)
          .optional("sale_ends_at", &create_product_body::sale_ends_at, json::date_time{}, detail::ends_help)
          .rule([](const create_product_body& body, json::violations& found) {
            detail::check_name(body.name, found);
            detail::check_sale(body.sale_starts_at, body.sale_ends_at, found);
          });
  return schema;
}

inline std::string canonical(const create_product_body& body) {
  std::string text;
  json::writer out{text};
  out.begin_object();
  out.key("name");
  out.value(body.name);
  out.key("description");
  out.value(body.description);
  out.key("price");
  out.value(body.price.value);
  out.key("type");
  out.value(to_string(body.type));
  out.key("is_active");
  out.value(body.is_active);
  out.key("stock");
  write_canonical(out, body.stock);
  out.key("per_user_limit");
  write_canonical(out, body.per_user_limit);
  out.key("sale_starts_at");
  write_canonical(out, body.sale_starts_at);
  out.key("sale_ends_at");
  write_canonical(out, body.sale_ends_at);
  out.end_object();
  return text;
}

inline net::task<http::response> create_product(context& with, call c) {
  auto wish = read_write(create_product_schema(), c.request);
  if (!wish) {
    co_return refuse(wish.error(), c.request);
  }
  create_product_body& body = wish->body;
  const auto respond = [r = &c.request](const result<domain::product>& made) {
    if (!made) {
      return refuse(made.error(), *r);
    }
    http::response answer = detail::answer_product(201, *made);
    answer.add("Location", fmt::format("/products/{}", made->terms.id.value));
    return answer;
  };
  auto under = keyed<domain::product>(c, std::move(wish->key), "create-product", 0, canonical(body), respond);
  domain::product wanted;
  wanted.terms = {.id = {},
                  .price = body.price,
                  .type = body.type,
                  .is_active = body.is_active,
                  .is_limited = body.stock.has_value(),
                  .per_user_limit = body.per_user_limit,
                  .sale_starts_at = body.sale_starts_at,
                  .sale_ends_at = body.sale_ends_at};
  wanted.stock = body.stock;
  wanted.name = std::move(body.name);
  wanted.description = std::move(body.description);
  const auto made = co_await with.catalogue.create(std::move(wanted), std::move(under), c.request.deadline);
  co_return answer_written(made, respond);
}

inline void add_product_shapes(shapes& all, const document_facts&) {
  const domain::product products[] = {samples::product()};
  all.add(products[0]);
  all.add(page<domain::product>{products, "1-6f2b0c9d4e1a"});
}

inline description describe_create_product(const document_facts&) {
  using enum errc;
  return {.id = "createProduct",
          .tag = "Products",
          .summary = "Make a product",
          .text = "It can be bought at once unless is_active is false or its sale starts later.",
          .headers = {key_parameter(false)},
          .body = body_of(create_product_schema(), R"({"name":"Day boost","price":100,"type":"consumable"})"),
          .replies = {{.status = 201,
                       .text = "The product.",
                       .shape = "Product",
                       .headers = {"Location", "ETag", "Idempotent-Replayed"}}},
          .errors = {invalid_idempotency_key, idempotency_key_reused, name_taken},
          .add_shapes = add_product_shapes};
}

inline net::task<http::response> get_product(context& with, call c) {
  const auto found = co_await with.catalogue.find(product_id{c.params[0]}, c.request.deadline);
  if (!found) {
    co_return refuse(found.error(), c.request);
  }
  http::response whole{200, http::json_type, rendered(*found)};
  whole.add("Cache-Control", "private, no-cache");
  std::string etag = digest_etag(whole.body);
  co_return conditional(std::move(whole), std::move(etag), c.request);
}

inline description describe_get_product(const document_facts&) {
  using enum errc;
  return {.id = "getProduct",
          .tag = "Products",
          .summary = "Look a product up",
          .text = "Inactive products are shown too. The ETag is of all that is shown, the stock too.",
          .headers = {none_match_parameter(detail::product_tag), match_parameter(detail::product_tag)},
          .replies = {{.text = "The product.", .shape = "Product", .headers = {"ETag"}},
                      {.status = 304, .text = "It is the one the client has.", .headers = {"ETag"}, .media = {}}},
          .errors = {product_not_found, precondition_failed}};
}

/// PATCH /products/{product_id}
struct change_product_body {
  std::optional<std::string> name;
  std::optional<std::string> description;
  std::optional<domain::credits> price;
  std::optional<bool> is_active;
  std::optional<std::optional<std::int64_t>> stock;  ///< here and below: null clears
  std::optional<std::optional<std::int64_t>> per_user_limit;
  std::optional<std::optional<timestamp>> sale_starts_at;
  std::optional<std::optional<timestamp>> sale_ends_at;
};

inline const json::object<change_product_body>& change_product_schema() {
  static const auto schema =
      json::object<change_product_body>{"ChangeProduct"}
          .optional("name", &change_product_body::name, detail::product_name, detail::name_help)
          .optional("description", &change_product_body::description, detail::product_description,
                    detail::description_help)
          .optional("price", &change_product_body::price, any_price, detail::price_help)
          .optional("is_active", &change_product_body::is_active, json::boolean{}, detail::active_help)
          .clearable("stock", &change_product_body::stock, detail::any_stock, detail::stock_help)
          .clearable("per_user_limit", &change_product_body::per_user_limit, detail::any_limit, detail::limit_help)
          .clearable("sale_starts_at", &change_product_body::sale_starts_at, json::date_time{}, detail::starts_help)
          .clearable("sale_ends_at", &change_product_body::sale_ends_at, json::date_time{}, detail::ends_help)
          .fixed("type", "cannot be changed; make another product instead")
          .at_least_one()
          .rule([](const change_product_body& body, json::violations& found) {
            if (body.name) {
              detail::check_name(*body.name, found);
            }
            detail::check_sale(body.sale_starts_at.value_or(std::nullopt), body.sale_ends_at.value_or(std::nullopt),
                               found);
          });
  return schema;
}

inline std::string canonical(const change_product_body& body) {
  std::string text;
  json::writer out{text};
  const auto member = [&out](json::name name, const auto& value) {
    if (value) {
      out.key(name);
      write_canonical(out, value);
    }
  };
  const auto clearable = [&out](json::name name, const auto& value) {
    if (value) {
      out.key(name);
      write_canonical(out, *value);
    }
  };
  out.begin_object();
  member("name", body.name);
  member("description", body.description);
  member("price", body.price);
  member("is_active", body.is_active);
  clearable("stock", body.stock);
  clearable("per_user_limit", body.per_user_limit);
  clearable("sale_starts_at", body.sale_starts_at);
  clearable("sale_ends_at", body.sale_ends_at);
  out.end_object();
  return text;
}

inline net::task<http::response> change_product(context& with, call c) {
  auto wish = read_write(change_product_schema(), c.request);
  if (!wish) {
    co_return refuse(wish.error(), c.request);
  }
  change_product_body& body = wish->body;
  const auto respond = [r = &c.request](const result<domain::product>& changed) {
    return changed ? detail::answer_product(200, *changed) : refuse(changed.error(), *r);
  };
  const product_id id{c.params[0]};
  auto under = keyed<domain::product>(c, std::move(wish->key), "change-product", id.value, canonical(body), respond);
  store::product_changes changes{.name = std::move(body.name),
                                 .description = std::move(body.description),
                                 .price = body.price,
                                 .is_active = body.is_active,
                                 .stock = body.stock,
                                 .per_user_limit = body.per_user_limit,
                                 .sale_starts_at = body.sale_starts_at,
                                 .sale_ends_at = body.sale_ends_at};
  store::product_condition allows = detail::condition_of_change(c.request);
  const auto changed =
      co_await with.catalogue.change(id, std::move(changes), std::move(allows), std::move(under), c.request.deadline);
  co_return answer_written(changed, respond);
}

inline description describe_change_product(const document_facts&) {
  using enum errc;
  return {
      .id = "changeProduct",
      .tag = "Products",
      .summary = "Change a product",
      .text =
          "Members that are left out stay as they are. null clears stock, per_user_limit and the times of the "
          "sale, and "
          "leaves the rest as it is. The type cannot be changed. With `If-Match` nothing is changed unless the "
          "product is "
          "still the one with that ETag; of a product with a stock, each sale makes another.",
      .headers = {key_parameter(false), match_parameter(detail::product_tag)},
      .body = body_of(change_product_schema(), R"({"price":120})"),
      .replies = {{.text = "The product as it is now.",
                   .shape = "Product",
                   .headers = {"ETag", "Idempotent-Replayed"}}},
      .errors = {invalid_idempotency_key, idempotency_key_reused, product_not_found, precondition_failed, name_taken}};
}

inline constexpr query_parameter active_parameter{"active", "boolean", "Only products that can, or cannot, be bought."};
inline constexpr query_parameter list_products_query[] = {limit_parameter, cursor_parameter, active_parameter};

inline net::task<http::response> list_products(context& with, call c) {
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
  auto found = co_await with.catalogue.list(product_id{*after}, active, limit + 1, c.request.deadline);
  std::string next;
  if (std::ssize(found) > limit) {
    found.pop_back();
    next = make_cursor(found.back().terms.id.value, scope);
  }
  co_return http::response{200, http::json_type, rendered(page<domain::product>{found, next})};
}

inline description describe_list_products(const document_facts&) {
  using enum errc;
  return {.id = "listProducts",
          .tag = "Products",
          .summary = "List the products",
          .text = "By id, a page at a time.",
          .replies = {{.text = "A page.", .shape = "ProductPage"}},
          .errors = {invalid_cursor}};
}

inline constexpr endpoint product_endpoints[] = {{.verb = http::method::post,
                                                  .path = "/products",
                                                  .serve = create_product,
                                                  .describe = describe_create_product,
                                                  .who = access::needs(auth::scope::catalog_write),
                                                  .body = body_kind::json},
                                                 {.verb = http::method::get,
                                                  .path = "/products",
                                                  .serve = list_products,
                                                  .describe = describe_list_products,
                                                  .who = access::needs(auth::scope::catalog_read),
                                                  .query = list_products_query},
                                                 {.verb = http::method::get,
                                                  .path = "/products/{product_id}",
                                                  .serve = get_product,
                                                  .describe = describe_get_product,
                                                  .who = access::needs(auth::scope::catalog_read)},
                                                 {.verb = http::method::patch,
                                                  .path = "/products/{product_id}",
                                                  .serve = change_product,
                                                  .describe = describe_change_product,
                                                  .who = access::needs(auth::scope::catalog_write),
                                                  .body = body_kind::json}};

}  // namespace coffer::api
