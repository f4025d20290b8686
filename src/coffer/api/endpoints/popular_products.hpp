// GET /analytics/popular-products: what sells.
#pragma once

#include "coffer/api/answers.hpp"
#include "coffer/api/openapi/samples.hpp"

namespace coffer::api {

inline net::task<http::response> popular_products(context& with, call c) {
  std::string body = co_await with.analytics.popular(c.request.deadline);
  co_return http::response{200, http::json_type, std::move(body)};
}

inline void add_popular_shapes(shapes& all, const document_facts&) { all.add(samples::best_sellers()); }

inline description describe_popular_products(const document_facts&) {
  return {
      .id = "listPopularProducts",
      .tag = "Analytics",
      .summary = "List the best sellers",
      .text =
          "The top 5 by completed purchases of the last 7 days, at most an hour old. What was refunded does not "
          "count: a purchase counts as long as a unit of it is left, its units and revenue are those that are left.",
      .replies = {{.text = "The best sellers.", .shape = "PopularProducts"}},
      .add_shapes = add_popular_shapes};
}

inline constexpr endpoint popular_products_endpoint{.verb = http::method::get,
                                                    .path = "/analytics/popular-products",
                                                    .serve = popular_products,
                                                    .describe = describe_popular_products,
                                                    .who = access::needs(auth::scope::analytics_read)};

}  // namespace coffer::api
