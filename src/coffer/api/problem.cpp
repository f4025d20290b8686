#include "coffer/api/problem.hpp"

#include <array>

#include "coffer/json/writer.hpp"

namespace coffer::api {

namespace {

struct row {
  errc code;
  problem_kind kind;
};

constexpr std::array<row, errc_count> table = {{
    {errc::malformed_json, {400, "Malformed JSON", "The request body is not valid JSON."}},
    {errc::malformed_request, {400, "Malformed request", "The request does not follow HTTP."}},
    {errc::idempotency_key_required,
     {400, "Idempotency key required", "This operation needs an Idempotency-Key header, so that a retry is safe."}},
    {errc::invalid_idempotency_key,
     {400, "Invalid idempotency key", "Idempotency-Key must be 1 to 255 visible ASCII characters, bare or quoted."}},
    {errc::invalid_cursor,
     {400, "Invalid cursor", "The cursor is not one that this list gave out for these filters. Start without it."}},
    {errc::invalid_parameter, {400, "Invalid parameter", "A query parameter is not valid; see errors."}},
    {errc::unauthenticated, {401, "Unauthenticated", "The request carries no valid credentials."}},
    {errc::forbidden, {403, "Forbidden", "These credentials do not allow this."}},
    {errc::insufficient_scope, {403, "Insufficient scope", "The key lacks the scope that this operation needs."}},
    {errc::insufficient_funds, {402, "Insufficient funds", "The balance does not cover the price."}},
    {errc::not_found, {404, "Not found", "There is no resource at this path."}},
    {errc::user_not_found, {404, "User not found", "There is no user with this id."}},
    {errc::product_not_found, {404, "Product not found", "There is no product with this id."}},
    {errc::transaction_not_found, {404, "Transaction not found", "This user has no transaction with this version."}},
    {errc::method_not_allowed, {405, "Method not allowed", "This path does not know the method; see Allow."}},
    {errc::request_timeout, {408, "Request timeout", "The request did not arrive in time."}},
    {errc::already_owned, {409, "Already owned", "The user owns this permanent product already."}},
    {errc::product_inactive, {409, "Product inactive", "The product is not for sale."}},
    {errc::not_enough_items, {409, "Not enough items", "The user owns fewer units than asked for."}},
    {errc::not_consumable, {409, "Not consumable", "A permanent product cannot be used up."}},
    {errc::price_changed, {409, "Price changed", "The price is not the expected one any more."}},
    {errc::sold_out, {409, "Sold out", "No units are left."}},
    {errc::limit_reached, {409, "Limit reached", "The user owns as many units as one may."}},
    {errc::not_on_sale, {409, "Not on sale", "The product is not on sale at this time."}},
    {errc::balance_limit_exceeded, {409, "Balance limit exceeded", "The balance would exceed its limit."}},
    {errc::username_taken, {409, "Username taken", "Another user has this username."}},
    {errc::email_taken, {409, "E-mail taken", "Another user has this e-mail address."}},
    {errc::name_taken, {409, "Name taken", "Another product has this name."}},
    {errc::idempotency_in_progress, {409, "In progress", "A request with this key is being processed."}},
    {errc::not_refundable, {409, "Not refundable", "This transaction cannot be refunded."}},
    {errc::already_refunded, {409, "Already refunded", "This transaction has been refunded."}},
    {errc::content_too_large, {413, "Content too large", "The request body is larger than this server accepts."}},
    {errc::uri_too_long, {414, "URI too long", "The request line is longer than this server accepts."}},
    {errc::unsupported_media_type, {415, "Unsupported media type", "The body must be application/json."}},
    {errc::expectation_failed, {417, "Expectation failed", "The only expectation this server knows is 100-continue."}},
    {errc::header_fields_too_large,
     {431, "Header fields too large", "The headers are larger or more than this server accepts."}},
    {errc::validation_failed, {422, "Validation failed", "The body breaks one or more rules; see errors."}},
    {errc::idempotency_key_reused,
     {422, "Idempotency key reused", "The key was used for another request of this user. Nothing was executed."}},
    {errc::rate_limited, {429, "Rate limited", "Too many requests; try again after Retry-After seconds."}},
    {errc::internal, {500, "Internal error", "The server failed. Quote the request id when you report this."}},
    {errc::not_implemented, {501, "Not implemented", "This server does not know the method."}},
    {errc::http_version_not_supported, {505, "HTTP version not supported", "This server speaks HTTP/1.1 and 1.0."}},
    {errc::unavailable, {503, "Unavailable", "The request was not applied. Try again after Retry-After seconds."}},
    {errc::outcome_unknown,
     {503, "Outcome unknown",
      "It is not known whether the request was applied. Retry with the same Idempotency-Key, or "
      "look at the user's transactions."}},
    {errc::overloaded,
     {503, "Overloaded", "The server is busy; the request was not applied. Try again after Retry-After seconds."}},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (table[i].code != static_cast<errc>(i) || table[i].kind.status == 0) {
      return false;
    }
  }
  return true;
}
static_assert(in_order(), "one row for each code, in the order of errc");

void write_fields(json::writer& out, const std::vector<field_error>& fields) {
  out.key("errors");
  out.begin_array();
  for (const field_error& f : fields) {
    out.begin_object();
    out.key("pointer");
    out.value(f.pointer);
    out.key("code");
    out.value(f.code);
    out.key("detail");
    out.value(f.detail);
    out.key("params");
    out.begin_object();
    for (const auto& [name, value] : f.params) {
      out.dynamic_key(name);
      out.value(value);
    }
    out.end_object();
    out.end_object();
  }
  out.end_array();
}

}  // namespace

const problem_kind& kind_of(errc code) noexcept { return table[static_cast<std::size_t>(code)].kind; }

std::string problem_body(const error& what, std::string_view request_id) {
  const problem_kind& kind = kind_of(what.code);
  const std::string_view code = to_string(what.code);
  std::string body;
  body.reserve(256);
  json::writer out{body};
  out.begin_object();
  out.key("type");
  out.value("/problems/" + std::string{code});
  out.key("title");
  out.value(kind.title);
  out.key("status");
  out.value(kind.status);
  out.key("detail");
  out.value(what.detail.empty() ? kind.detail : std::string_view{what.detail});
  out.key("code");
  out.value(code);
  out.key("request_id");
  out.value(request_id);
  for (const error::number& n : what.numbers) {
    if (!n.name.empty()) {
      out.dynamic_key(n.name);
      out.value(n.value);
    }
  }
  if (!what.fields.empty()) {
    write_fields(out, what.fields);
  }
  out.end_object();
  return body;
}

http::response problem(const error& what, std::string_view request_id) {
  http::response answer{kind_of(what.code).status, http::problem_type, problem_body(what, request_id)};
  if (answer.status == 503) {
    answer.add("Retry-After", "1");
  } else if (answer.status == 401) {
    answer.add("WWW-Authenticate", "Bearer");
  }
  return answer;
}

http::response problem(const http::rejection& why, std::string_view request_id) {
  http::response answer = problem(error{why.code, why.detail}, request_id);
  answer.status = why.status;
  return answer;
}

}  // namespace coffer::api
