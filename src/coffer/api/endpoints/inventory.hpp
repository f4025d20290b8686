// GET /users/{user_id}/inventory: what a user owns, now or in the past.
#pragma once

#include <charconv>
#include <variant>

#include <fmt/format.h>

#include "coffer/api/answers.hpp"
#include "coffer/api/openapi/samples.hpp"

namespace coffer::api {

inline constexpr query_parameter as_of_parameter{
    "as_of", "string", "The past to look at: a version of the user, or a time in RFC 3339 that is not in the future."};
inline constexpr query_parameter inventory_query[] = {as_of_parameter};

namespace detail {

/// How an inventory was come by, as a Cache-Status value (RFC 9211 section 2).
inline std::string cache_status(cache::source from) {
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

inline http::response answer_inventory(version at, std::string json, cache::source from, const http::request& r) {
  http::response whole{200, http::json_type, std::move(json)};
  whole.add("Cache-Control", "private, no-cache");
  whole.add("Cache-Status", cache_status(from));
  return conditional(std::move(whole), make_etag(at), r);
}

/// A version (0: before the first row) or a time that as_of names; nullopt when it is absent or not valid.
inline std::optional<std::variant<version, timestamp>> read_as_of(list_query& query) {
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

inline net::task<http::response> past_inventory(context& with, call c, std::variant<version, timestamp> when) {
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

}  // namespace detail

inline net::task<http::response> get_inventory(context& with, call c) {
  if (!c.request.query().empty()) {
    list_query query{c.request};
    const auto when = detail::read_as_of(query);
    if (const auto valid = query.finish(); !valid) {
      co_return refuse(valid.error(), c.request);
    }
    if (when) {
      co_return co_await detail::past_inventory(with, c, *when);
    }
  }
  result<service::inventory_view> found = co_await with.inventory.find(user_id{c.params[0]}, c.request.deadline);
  if (!found) {
    co_return refuse(found.error(), c.request);
  }
  co_return detail::answer_inventory(found->at, std::move(found->json), found->from, c.request);
}

inline void add_inventory_shapes(shapes& all, const document_facts&) { all.add(samples::inventory()); }

inline description describe_get_inventory(const document_facts&) {
  using enum errc;
  return {.id = "getInventory",
          .tag = "Users",
          .summary = "List what a user owns",
          .text =
              "Complete and never older than the user's latest acknowledged transaction; with `as_of` as it was in the "
              "past, from the journal.",
          .headers = {none_match_parameter(R"("\"7\"")"), match_parameter(R"("\"7\"")")},
          .replies = {{.text = "The inventory.", .shape = "Inventory", .headers = {"ETag", "Cache-Status"}},
                      {.status = 304,
                       .text = "It is the one the client has.",
                       .headers = {"ETag", "Cache-Status"},
                       .media = {}}},
          .errors = {user_not_found, precondition_failed},
          .add_shapes = add_inventory_shapes};
}

inline constexpr endpoint inventory_endpoint{.verb = http::method::get,
                                             .path = "/users/{user_id}/inventory",
                                             .serve = get_inventory,
                                             .describe = describe_get_inventory,
                                             .who = access::needs(auth::scope::inventory_read, subject_place::path),
                                             .query = inventory_query};

}  // namespace coffer::api
