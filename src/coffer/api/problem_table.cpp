#include "coffer/api/problem_table.hpp"

namespace coffer::api {

namespace {

using enum retry;

struct row {
  errc code;
  problem_kind kind;
};

constexpr problem_numbers required_and_available = {
    {{"required", "Credits or units that were asked for.", 500},
     {"available", "Credits or units that are there; in an atomic batch, behind the operations before.", 120}}};
constexpr problem_numbers requested_and_available = {
    {{"requested", "Units that were asked for.", 4}, {"available", "Units that were left.", 3}}};
constexpr problem_numbers requested_and_refundable = {
    {{"requested", "Units, or of a deposit credits, that were to be refunded.", 3},
     {"refundable", "Units or credits that could be.", 1}}};
constexpr problem_numbers limit_and_bought = {{{"limit", "Units that one user may ever buy.", 5},
                                               {"bought", "Units that the user had bought.", 4},
                                               {"requested", "Units that were asked for.", 2}}};
constexpr problem_numbers sale_window = {
    {{"sale_starts_at", "The first moment of the sale; null: no start.", 1767225600000000, true},
     {"sale_ends_at", "The first moment after the sale; null: no end.", 1769904000000000, true}}};
constexpr problem_numbers current_price = {{{"current_price", "Credits per unit now.", 120}, {}}};
constexpr problem_numbers balance_and_limit = {
    {{"balance", "Credits owned.", 9007199254740990}, {"limit", "Credits that one may own.", 9007199254740991}}};

constexpr std::array<row, errc_count> table = {{
    {errc::malformed_json,
     {400, "Malformed JSON", "The request body is not valid JSON.",
      "The body is not JSON by RFC 8259, nests deeper than 8 levels, repeats a member or is not UTF-8. The detail says "
      "where.",
      corrected}},
    {errc::malformed_request,
     {400, "Malformed request", "The request does not follow HTTP.",
      "The request breaks a rule of HTTP/1.1, for example two Host headers or contradicting lengths. The connection is "
      "closed; a client library or a proxy on the way is to blame.",
      corrected}},
    {errc::idempotency_key_required,
     {400, "Idempotency key required", "This operation needs an Idempotency-Key header, so that a retry is safe.",
      "The operation moves credits and the request has no Idempotency-Key. Make one key per intended operation and "
      "send "
      "it again with every retry.",
      corrected}},
    {errc::invalid_idempotency_key,
     {400, "Invalid idempotency key", "Idempotency-Key must be 1 to 255 visible ASCII characters, bare or quoted.",
      "The key is empty, too long, has other characters, unbalanced quotes, or is there twice.", corrected}},
    {errc::invalid_cursor,
     {400, "Invalid cursor", "The cursor is not one that this list gave out for these filters. Start without it.",
      "A cursor belongs to one list and one set of filters. Take next_cursor from the page before, unchanged, and keep "
      "the filters.",
      corrected}},
    {errc::invalid_parameter,
     {400, "Invalid parameter", "A query parameter is not valid; see errors.",
      "A query parameter is unknown, repeated or out of its range. The list errors names each with the rule.",
      corrected, true}},
    {errc::unauthenticated,
     {401, "Unauthenticated", "The request carries no valid credentials.",
      "The Authorization header is missing or malformed, or its key or token is unknown, revoked or expired.",
      corrected}},
    {errc::forbidden,
     {403, "Forbidden", "These credentials do not allow this.",
      "A player's token is for one user, and never for adding funds, the catalogue or keys.", corrected}},
    {errc::insufficient_scope,
     {403, "Insufficient scope", "The key lacks the scope that this operation needs.",
      "The server key was made without the scope of this operation. Use another key.", corrected}},
    {errc::insufficient_funds,
     {402, "Insufficient funds", "The balance does not cover the price.",
      "The price is higher than the balance at the moment of the decision. Nothing was taken. Add funds, then buy "
      "again.",
      changed, false, required_and_available}},
    {errc::not_found,
     {404, "Not found", "There is no resource at this path.",
      "No route has this path. Ids are integers from 1 to 2^53-1 in plain decimal; anything else in their place is no "
      "such path.",
      corrected}},
    {errc::user_not_found,
     {404, "User not found", "There is no user with this id.", "The id is wrong, or of another database.", corrected}},
    {errc::product_not_found,
     {404, "Product not found", "There is no product with this id.", "The id is wrong, or of another database.",
      corrected}},
    {errc::transaction_not_found,
     {404, "Transaction not found", "This user has no transaction with this version.",
      "The user's history has not come this far; versions count from 1 without gaps.", corrected}},
    {errc::method_not_allowed,
     {405, "Method not allowed", "This path does not know the method; see Allow.",
      "The path exists, the method does not. The header Allow lists those that do.", corrected}},
    {errc::request_timeout,
     {408, "Request timeout", "The request did not arrive in time.",
      "Head or body came too slowly; the connection is closed. Nothing was applied.", later}},
    {errc::already_owned,
     {409, "Already owned", "The user owns this permanent product already.",
      "Permanent products are owned once. A purchase that was a retry without its key ends here too: nothing was paid "
      "twice.",
      changed}},
    {errc::product_inactive,
     {409, "Product inactive", "The product is not for sale.", "The product has is_active = false.", changed}},
    {errc::not_enough_items,
     {409, "Not enough items", "The user owns fewer units than asked for.",
      "More units were to be used up than the user owns. Nothing was used up.", changed, false,
      required_and_available}},
    {errc::not_consumable,
     {409, "Not consumable", "A permanent product cannot be used up.",
      "Only consumables are used up; a permanent product stays.", corrected}},
    {errc::price_changed,
     {409, "Price changed", "The price is not the expected one any more.",
      "expected_price differs from the price in force. Show the new price to the buyer and ask again.", corrected,
      false, current_price}},
    {errc::sold_out,
     {409, "Sold out", "Fewer units are left than asked for.",
      "The product's stock does not suffice. Ask for what is available, or wait for more.", changed, false,
      requested_and_available}},
    {errc::limit_reached,
     {409, "Limit reached", "The user would have more units than one may.",
      "The purchase would exceed the number of units that one user may ever buy, used up ones included.", changed,
      false, limit_and_bought}},
    {errc::not_on_sale,
     {409, "Not on sale", "The product is not on sale at this time.",
      "The sale has not begun or is over; the detail says which.", changed, false, sale_window}},
    {errc::balance_limit_exceeded,
     {409, "Balance limit exceeded", "The balance would exceed its limit.",
      "A balance ends at 2^53-1 credits, the largest integer that every JSON reader keeps exact.", changed, false,
      balance_and_limit}},
    {errc::username_taken,
     {409, "Username taken", "Another user has this username.", "Usernames are unique regardless of case.", corrected}},
    {errc::email_taken,
     {409, "E-mail taken", "Another user has this e-mail address.", "Addresses are unique regardless of case.",
      corrected}},
    {errc::name_taken,
     {409, "Name taken", "Another product has this name.", "Names of products are unique regardless of case.",
      corrected}},
    {errc::idempotency_in_progress,
     {409, "In progress", "A request with this key is being processed.",
      "An earlier request with this key has no outcome yet.", same_key}},
    {errc::not_refundable,
     {409, "Not refundable", "This transaction cannot be refunded, or not so much of it.",
      "Only completed purchases and deposits are refunded: of a purchase what has not been used up, unless an operator "
      "sets `force`; of a deposit all its credits, unless `up_to` takes those that have not been spent.",
      changed, false, requested_and_refundable}},
    {errc::already_refunded,
     {409, "Already refunded", "This transaction has been refunded.", "Every unit is given back at most once.",
      corrected}},
    {errc::content_too_large,
     {413, "Content too large", "The request body is larger than this server accepts.",
      "Bodies end at 16 KiB unless the operator configured another limit.", corrected}},
    {errc::uri_too_long,
     {414, "URI too long", "The request line is longer than this server accepts.",
      "Method, target and version together end at 8 KiB unless the operator configured another limit.", corrected}},
    {errc::unsupported_media_type,
     {415, "Unsupported media type", "The body must be application/json.",
      "Content-Type is missing or not the one that the header Accept of this answer names, or the body has a "
      "Content-Encoding.",
      corrected}},
    {errc::expectation_failed,
     {417, "Expectation failed", "The only expectation this server knows is 100-continue.",
      "The Expect header asks for something else.", corrected}},
    {errc::header_fields_too_large,
     {431, "Header fields too large", "The headers are larger or more than this server accepts.",
      "Headers end at 16 KiB together and 100 in number unless the operator configured other limits.", corrected}},
    {errc::validation_failed,
     {422, "Validation failed", "The body breaks one or more rules; see errors.",
      "The body is JSON and is not what the operation takes: a member is missing, unknown, of another type or out of "
      "its "
      "range. The list errors names each with the rule. A batch that breaks `exceeds_limit` has more operations of a "
      "kind than one of the operator's limits ever allows at once: split it into batches of at most `maximum`.",
      corrected, true}},
    {errc::idempotency_key_reused,
     {422, "Idempotency key reused", "The key was used for another request. Nothing was executed.",
      "A key stands for one request for ever: same operation, path and body. Use a new key for a new intention.",
      corrected}},
    {errc::rate_limited,
     {429,
      "Rate limited",
      "Too many requests; try again after Retry-After seconds.",
      "More requests of this kind came from the user, the server key or the address than the server allows. Nothing "
      "was "
      "done. RateLimit names the limit that was met.",
      later,
      false,
      {{{"retry_after", "Seconds until a request would be allowed.", 1}}}}},
    {errc::internal,
     {500, "Internal error", "The server failed. Quote the request id when you report this.",
      "A bug. A write may or may not have been applied.", same_key}},
    {errc::not_implemented,
     {501, "Not implemented", "This server does not know the method.",
      "The method is none of HTTP's usual ones, or the body has a transfer coding other than chunked.", corrected}},
    {errc::http_version_not_supported,
     {505, "HTTP version not supported", "This server speaks HTTP/1.1 and 1.0.",
      "The request line names another version of HTTP, or is the preface of HTTP/2.", corrected}},
    {errc::unavailable,
     {503, "Unavailable", "The request was not applied. Try again after Retry-After seconds.",
      "The database could not be reached or was too busy in the time that the request had.", later}},
    {errc::outcome_unknown,
     {503, "Outcome unknown",
      "It is not known whether the request was applied. Retry with the same Idempotency-Key, or "
      "look at the user's transactions.",
      "The connection to the database was lost around the commit, and the time was up before the truth was known.",
      same_key}},
    {errc::overloaded,
     {503, "Overloaded", "The server is busy; the request was not applied. Try again after Retry-After seconds.",
      "More requests are waiting than the server may hold.", later}},
    {errc::not_executed,
     {424, "Not executed", "Another operation of the atomic batch was refused, so this one did not happen.",
      "An atomic batch happens as a whole. Look at the operation that was refused; this one left nothing behind, and "
      "its Idempotency-Key is still free.",
      changed}},
    {errc::precondition_failed,
     {412, "Precondition failed", "If-Match does not name the entity tag of what is there now. Nothing was done.",
      "What If-Match was to protect has changed since it was read. Read it again, look whether the change is still "
      "wanted, and send it with the new ETag.",
      corrected}},
    {errc::misdirected_request,
     {421, "Misdirected request", "This server does not answer to the name in Host.",
      "The server asks for no credentials, so it answers only to its own address, to the loopback and to the names in "
      "its setting `--allowed-hosts`: a page in a browser could reach it under a name of its own (DNS rebinding). "
      "Nothing was done.",
      corrected}},
    {errc::cursor_expired,
     {410, "Cursor expired", "Events behind this cursor are not kept any more. Begin anew, without a cursor.",
      "Events are kept for `--event-retention`, 30 days unless set otherwise. Without a cursor the feed begins with "
      "the oldest one that is kept. What was missed is in the users' transactions: compare the versions that you know "
      "with theirs.",
      corrected}},
    {errc::cursor_ahead,
     {409, "Cursor ahead", "This cursor is beyond the newest event: the database has lost events that it told of.",
      "A backup was restored, or a failover lost what had been committed. Tell an operator. What you were told of and "
      "the server does not know any more did not happen: take a new cursor with `after=latest`, then compare what you "
      "have with the users' transactions, then go on from that cursor.",
      corrected}},
    {errc::webhook_not_found,
     {404, "Webhook not found", "There is no webhook with this id.", "It was deleted, or the id is of another server.",
      corrected}},
    {errc::too_many_webhooks,
     {409, "Too many webhooks", "There are as many webhooks as there may be.",
      "There may be 16. Delete one that is not needed.", changed}},
    {errc::too_many_keys,
     {409, "Too many keys", "There are as many keys in force as there may be.",
      "1000 may be in force at once. Revoke those that nobody uses.", changed}},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (table[i].code != static_cast<errc>(i) || table[i].kind.status == 0 || table[i].kind.cause.empty()) {
      return false;
    }
  }
  return true;
}
static_assert(in_order(), "one row for each code, in the order of errc");

}  // namespace

const problem_kind& kind_of(errc code) noexcept { return table[static_cast<std::size_t>(code)].kind; }

std::string_view to_string(retry advice) noexcept {
  switch (advice) {
    case corrected:
      return "corrected";
    case changed:
      return "changed";
    case later:
      return "later";
    case same_key:
      return "same_key";
  }
  return "";
}

std::string_view sentence_of(retry advice) noexcept {
  switch (advice) {
    case corrected:
      return "Not as it is: the same request gets the same answer. Correct it first.";
    case changed:
      return "Only after the state that refused it has changed, and under a new Idempotency-Key: the old key replays "
             "this refusal for ever.";
    case later:
      return "Yes, after the seconds that Retry-After names, with growing pauses. This request was certainly not "
             "applied.";
    case same_key:
      return "Yes, with the same Idempotency-Key: the answer then is the truth, and nothing happens twice. Without a "
             "key, look at the user's transactions first.";
  }
  return "";
}

}  // namespace coffer::api
