#include <fmt/format.h>

#include "coffer/api/answers.hpp"
#include "coffer/api/cursor.hpp"
#include "coffer/api/etag.hpp"
#include "coffer/api/handlers.hpp"
#include "coffer/api/list_query.hpp"

namespace coffer::api {

namespace {

/// How an inventory was come by, as a Cache-Status value (RFC 9211 section 2).
std::string cache_status(cache::source from) {
  switch (from) {
    case cache::source::hit:
      return "coffer; hit";
    case cache::source::miss:
      return "coffer; fwd=miss";
    case cache::source::bypass:
      return "coffer; fwd=bypass";
  }
  return {};
}

}  // namespace

net::task<http::response> get_inventory(context& with, call c) {
  result<service::inventory_view> found = co_await with.inventory.find(user_id{c.params[0]}, c.request.deadline);
  if (!found) {
    co_return refuse(found.error(), c.request);
  }
  const std::string etag = make_etag(found->at);
  const auto known = c.request.header("If-None-Match");
  http::response answer;
  if (known && none_match_hits(*known, etag)) {
    answer.status = 304;
  } else {
    answer = http::response{200, http::json_type, std::move(found->json)};
  }
  answer.add("ETag", etag);
  answer.add("Cache-Control", "private, no-cache");
  answer.add("Cache-Status", cache_status(found->from));
  co_return answer;
}

net::task<http::response> list_transactions(context& with, call c) {
  list_query query{c.request};
  store::history_query wanted;
  wanted.user = user_id{c.params[0]};
  const std::int64_t limit = query.limit();
  const auto cursor = query.text(cursor_parameter);
  wanted.kind = query.parsed(kind_parameter, domain::transaction_kind_from_string);
  wanted.status = query.parsed(status_parameter, domain::transaction_status_from_string);
  if (const auto valid = query.finish(); !valid) {
    co_return refuse(valid.error(), c.request);
  }
  const std::string scope =
      fmt::format("transactions {} {} {}", wanted.user.value, wanted.kind ? to_string(*wanted.kind) : "any",
                  wanted.status ? to_string(*wanted.status) : "any");
  if (cursor) {
    const auto before = read_cursor(*cursor, scope);
    if (!before) {
      co_return refuse(before.error(), c.request);
    }
    wanted.before = version{*before};
  }
  wanted.limit = limit + 1;  // one more tells whether there is a next page
  auto page = co_await with.history.list(wanted, c.request.deadline);
  if (!page) {
    co_return refuse(page.error(), c.request);
  }
  std::string next;
  if (std::ssize(*page) > limit) {
    page->pop_back();
    next = make_cursor(page->back().at.value, scope);
  }
  co_return http::response{200, http::json_type, render_page(std::span<const domain::transaction>{*page}, next)};
}

net::task<http::response> get_transaction(context& with, call c) {
  const auto found = co_await with.history.find(user_id{c.params[0]}, version{c.params[1]}, c.request.deadline);
  co_return found ? ok(*found) : refuse(found.error(), c.request);
}

net::task<http::response> popular_products(context& with, call c) {
  std::string body = co_await with.analytics.popular(c.request.deadline);
  co_return http::response{200, http::json_type, std::move(body)};
}

}  // namespace coffer::api
