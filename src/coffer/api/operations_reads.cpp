// Reads and probes.
#include "coffer/api/actor.hpp"
#include "coffer/api/etag.hpp"
#include "coffer/api/list_query.hpp"
#include "coffer/api/operations.hpp"
#include "coffer/api/render.hpp"
#include "coffer/api/samples.hpp"
#include "coffer/api/statement_body.hpp"

namespace coffer::api::operations {

using enum errc;

operation get_inventory(const document_facts&) {
  return {
      .id = "getInventory",
      .tag = "Users",
      .summary = "List what a user owns",
      .text =
          "Complete and never older than the user's latest acknowledged transaction; with `as_of` as it was in the "
          "past, from the journal.",
      .parameters = {documented(as_of_parameter), none_match_parameter(R"("\"7\"")"), match_parameter(R"("\"7\"")")},
      .replies =
          {{.text = "The inventory.", .shape = "Inventory", .headers = {"ETag", "Cache-Status"}},
           {.status = 304, .text = "It is the one the client has.", .headers = {"ETag", "Cache-Status"}, .media = {}}},
      .errors = {user_not_found, precondition_failed}};
}

operation list_transactions(const document_facts&) {
  return {.id = "listTransactions",
          .tag = "Users",
          .summary = "List a user's transactions",
          .text =
              "Newest first, failed ones too. With a filter a page may be short, even empty: there is more as long as "
              "there is a `next_cursor`.",
          .parameters = {documented(limit_parameter), documented(cursor_parameter), documented(kind_parameter),
                         documented(status_parameter), documented(actor_parameter)},
          .replies = {{.text = "A page.", .shape = "TransactionPage"}},
          .errors = {invalid_cursor, user_not_found}};
}

operation get_transaction(const document_facts&) {
  return {.id = "getTransaction",
          .tag = "Users",
          .summary = "Look a transaction up",
          .text = "A transaction never changes.",
          .replies = {{.text = "The transaction.", .shape = "Transaction"}},
          .errors = {user_not_found, transaction_not_found}};
}

operation get_operation(const document_facts&) {
  return {
      .id = "getOperation",
      .tag = "Users",
      .summary = "What became of a key",
      .text =
          "After a timeout: the answer that the request with this key was given, or would be on a retry. 404 "
          "transaction_not_found: nothing has been decided under the key so far; sending the request again with "
          "the same key settles it. A player's token asks about keys that the player sent, any other credentials about "
          "those that servers sent.",
      .replies = {{.text = "The outcome.", .shape = "Outcome"}},
      .errors = {invalid_idempotency_key, user_not_found, transaction_not_found, idempotency_in_progress}};
}

operation get_statement(const document_facts&) {
  return {
      .id = "getStatement",
      .tag = "Users",
      .summary = "A user's statement",
      .text =
          "Every row of a period with what it changed and the balance behind it, oldest first, streamed. A body "
          "that ends without its last chunk is not whole.",
      .parameters = {documented(from_parameter), documented(to_parameter), documented(rows_parameter),
                     documented(cursor_parameter), documented(format_parameter), documented(bom_parameter)},
      .replies = {{.text = "The statement.", .shape = "Statement", .headers = {"Vary"}},
                  {.text = "The statement.", .headers = {"Content-Disposition", "X-Next-Cursor"}, .media = "text/csv"}},
      .errors = {invalid_cursor, user_not_found}};
}

operation popular_products(const document_facts&) {
  return {
      .id = "listPopularProducts",
      .tag = "Analytics",
      .summary = "List the best sellers",
      .text =
          "The top 5 by completed purchases of the last 7 days, at most an hour old. What was refunded does not "
          "count: a purchase counts as long as a unit of it is left, its units and revenue are those that are left.",
      .replies = {{.text = "The best sellers.", .shape = "PopularProducts"}}};
}

operation livez(const document_facts&) {
  return {.id = "getLiveness",
          .tag = "Probes",
          .summary = "Whether the process answers",
          .text = "Asks nothing else of it.",
          .replies = {{.text = "It does.", .shape = "Alive"}}};
}

operation readyz(const document_facts&) {
  return {.id = "getReadiness",
          .tag = "Probes",
          .summary = "Whether the process can serve",
          .text = "For load balancers: 503 while the database is away, its schema does not fit or the process drains.",
          .replies = {{.text = "It can.", .shape = "Health"},
                      {.status = 503,
                       .text = "It cannot, and why.",
                       .shape = "Health",
                       .headers = {"Retry-After"},
                       .example = render_body(samples::not_ready())}}};
}

operation healthz(const document_facts&) {
  return {.id = "getHealth",
          .tag = "Probes",
          .summary = "What the process depends on",
          .text = "As readyz, for people: always 200.",
          .replies = {{.text = "The state.", .shape = "Health"}}};
}

}  // namespace coffer::api::operations
