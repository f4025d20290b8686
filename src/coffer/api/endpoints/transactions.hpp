// /users/{user_id}/transactions: the journal of a user.
#pragma once

#include <vector>

#include <fmt/format.h>

#include "coffer/api/answers.hpp"
#include "coffer/api/cursor.hpp"
#include "coffer/api/openapi/samples.hpp"

namespace coffer::api {

template <>
inline constexpr std::string_view page_name<shown_transaction> = "TransactionPage";

inline constexpr query_parameter kind_parameter{"kind", "string", "Only transactions of this kind.", transaction_kinds};
inline constexpr query_parameter status_parameter{"status", "string", "Only transactions of this status.",
                                                  transaction_statuses};
inline constexpr query_parameter list_transactions_query[] = {limit_parameter, cursor_parameter, kind_parameter,
                                                              status_parameter, actor_parameter};

inline net::task<http::response> list_transactions(context& with, call c) {
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
  const auto found = co_await with.history.list(wanted, c.request.deadline);
  if (!found) {
    co_return refuse(found.error(), c.request);
  }
  const std::string next = found->next.value == 0 ? std::string{} : make_cursor(found->next.value, scope);
  std::vector<shown_transaction> shown;
  shown.reserve(found->rows.size());
  for (const domain::transaction& row : found->rows) {
    shown.push_back({row, audience_of(c.by.who)});
  }
  co_return ok(page<shown_transaction>{shown, next});
}

inline void add_transaction_shapes(shapes& all, const document_facts&) {
  const domain::transaction bought = samples::purchase();
  const shown_transaction rows[] = {{bought, audience::operators}};
  all.add(rows[0]);
  all.add(receipt{rows[0]});
  all.add(page<shown_transaction>{rows, "2-6f2b0c9d4e1a"});
}

inline description describe_list_transactions(const document_facts&) {
  using enum errc;
  return {.id = "listTransactions",
          .tag = "Users",
          .summary = "List a user's transactions",
          .text =
              "Newest first, failed ones too. With a filter a page may be short, even empty: there is more as long as "
              "there is a `next_cursor`.",
          .replies = {{.text = "A page.", .shape = "TransactionPage"}},
          .errors = {invalid_cursor, user_not_found},
          .add_shapes = add_transaction_shapes};
}

inline net::task<http::response> get_transaction(context& with, call c) {
  const auto found = co_await with.history.find(user_id{c.params[0]}, version{c.params[1]}, c.request.deadline);
  if (!found) {
    co_return refuse(found.error(), c.request);
  }
  co_return ok(shown_transaction{*found, audience_of(c.by.who)});
}

inline description describe_get_transaction(const document_facts&) {
  using enum errc;
  return {.id = "getTransaction",
          .tag = "Users",
          .summary = "Look a transaction up",
          .text = "A transaction never changes.",
          .replies = {{.text = "The transaction.", .shape = "Transaction"}},
          .errors = {user_not_found, transaction_not_found}};
}

inline constexpr endpoint transaction_endpoints[] = {
    {.verb = http::method::get,
     .path = "/users/{user_id}/transactions",
     .serve = list_transactions,
     .describe = describe_list_transactions,
     .who = access::needs(auth::scope::inventory_read, subject_place::path),
     .query = list_transactions_query},
    {.verb = http::method::get,
     .path = "/users/{user_id}/transactions/{version}",
     .serve = get_transaction,
     .describe = describe_get_transaction,
     .who = access::needs(auth::scope::inventory_read, subject_place::path)}};

}  // namespace coffer::api
