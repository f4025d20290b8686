#include <charconv>
#include <variant>

#include <fmt/format.h>

#include "coffer/api/actor.hpp"
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

http::response answer_inventory(version at, std::string json, cache::source from, const http::request& r) {
  http::response whole{200, http::json_type, std::move(json)};
  whole.add("Cache-Control", "private, no-cache");
  whole.add("Cache-Status", cache_status(from));
  return conditional(std::move(whole), make_etag(at), r);
}

/// A version (0: before the first row) or a time that as_of names; nullopt when it is absent or not valid.
std::optional<std::variant<version, timestamp>> read_as_of(list_query& query) {
  const auto given = query.text(as_of_parameter);
  if (!given) {
    return std::nullopt;
  }
  std::int64_t at = 0;
  const auto [end, failure] = std::from_chars(given->data(), given->data() + given->size(), at);
  if (failure == std::errc{} && end == given->data() + given->size() && at >= 0) {
    return version{at};
  }
  const auto time = from_rfc3339(*given);
  if (!time) {
    query.add(as_of_parameter, "format", fmt::format("must be a version, or {}", time_spelling));
    return std::nullopt;
  }
  if (*time > now()) {
    query.add(as_of_parameter, "range", "must not be in the future");
  }
  return *time;
}

net::task<http::response> past_inventory(context& with, call c, std::variant<version, timestamp> when) {
  auto found = co_await with.history.inventory_at(user_id{c.params[0]}, when, c.request.deadline);
  if (!found) {
    error why = std::move(found).error();
    if (why.code == errc::invalid_parameter) {
      why.fields.push_back({"as_of", "range", "must not be beyond the user's newest version", {}});
    }
    co_return refuse(why, c.request);
  }
  co_return answer_inventory(found->at, render_inventory(*found), cache::source::bypass, c.request);
}

}  // namespace

net::task<http::response> get_inventory(context& with, call c) {
  if (!c.request.query().empty()) {
    list_query query{c.request};
    const auto when = read_as_of(query);
    if (const auto valid = query.finish(); !valid) {
      co_return refuse(valid.error(), c.request);
    }
    if (when) {
      co_return co_await past_inventory(with, c, *when);
    }
  }
  result<service::inventory_view> found = co_await with.inventory.find(user_id{c.params[0]}, c.request.deadline);
  if (!found) {
    co_return refuse(found.error(), c.request);
  }
  co_return answer_inventory(found->at, std::move(found->json), found->from, c.request);
}

net::task<http::response> list_transactions(context& with, call c) {
  list_query query{c.request};
  store::history_query wanted;
  wanted.user = user_id{c.params[0]};
  const std::int64_t limit = query.limit();
  const auto cursor = query.text(cursor_parameter);
  wanted.kind = query.parsed(kind_parameter, domain::transaction_kind_from_string);
  wanted.status = query.parsed(status_parameter, domain::transaction_status_from_string);
  if (const auto actor = query.text(actor_parameter)) {
    wanted.by = actor_from_string(*actor);
    if (!wanted.by) {
      query.add(actor_parameter, "format", "must be key:<id of a server key>, player or none");
    }
  }
  if (const auto valid = query.finish(); !valid) {
    co_return refuse(valid.error(), c.request);
  }
  const std::string scope =
      fmt::format("transactions {} {} {} {}", wanted.user.value, wanted.kind ? to_string(*wanted.kind) : "any",
                  wanted.status ? to_string(*wanted.status) : "any", wanted.by ? spell(*wanted.by) : "any");
  if (cursor) {
    const auto before = read_cursor(*cursor, scope);
    if (!before) {
      co_return refuse(before.error(), c.request);
    }
    wanted.before = version{*before};
  }
  wanted.limit = limit;
  const auto page = co_await with.history.list(wanted, c.request.deadline);
  if (!page) {
    co_return refuse(page.error(), c.request);
  }
  const std::string next = page->next.value == 0 ? std::string{} : make_cursor(page->next.value, scope);
  co_return http::response{200, http::json_type,
                           render_page(std::span<const domain::transaction>{page->rows}, next, audience_of(c.by.who))};
}

net::task<http::response> get_transaction(context& with, call c) {
  const auto found = co_await with.history.find(user_id{c.params[0]}, version{c.params[1]}, c.request.deadline);
  if (!found) {
    co_return refuse(found.error(), c.request);
  }
  co_return http::response{200, http::json_type, render_body(shown_transaction{*found, audience_of(c.by.who)})};
}

net::task<http::response> popular_products(context& with, call c) {
  std::string body = co_await with.analytics.popular(c.request.deadline);
  co_return http::response{200, http::json_type, std::move(body)};
}

}  // namespace coffer::api
