#include "coffer/api/problem.hpp"

#include <set>

#include "support/catch.hpp"
#include "support/json_value.hpp"

namespace api_problem_test {

using namespace coffer;
using coffer::test::json_value;

TEST_CASE("a problem has the contract's members in a fixed order") {
  CHECK(api::problem_body(error{errc::insufficient_funds}.with("required", 500).with("available", 120), "r-1") ==
        R"({"type":"/problems/insufficient_funds","title":"Insufficient funds","status":402,)"
        R"("detail":"The balance does not cover the price.","code":"insufficient_funds","request_id":"r-1",)"
        R"("required":500,"available":120})");
}

TEST_CASE("every code is a complete problem with the status of the contract") {
  const std::vector<std::pair<int, std::vector<std::string>>> contract = {
      {400,
       {"malformed_json", "malformed_request", "idempotency_key_required", "invalid_idempotency_key", "invalid_cursor",
        "invalid_parameter"}},
      {401, {"unauthenticated"}},
      {402, {"insufficient_funds"}},
      {403, {"forbidden", "insufficient_scope"}},
      {404, {"not_found", "user_not_found", "product_not_found", "transaction_not_found"}},
      {405, {"method_not_allowed"}},
      {409,
       {"already_owned", "product_inactive", "not_enough_items", "not_consumable", "price_changed", "sold_out",
        "limit_reached", "not_on_sale", "balance_limit_exceeded", "username_taken", "email_taken", "name_taken",
        "idempotency_in_progress", "not_refundable", "already_refunded"}},
      {412, {"precondition_failed"}},
      {413, {"content_too_large"}},
      {414, {"uri_too_long"}},
      {415, {"unsupported_media_type"}},
      {417, {"expectation_failed"}},
      {421, {"misdirected_request"}},
      {422, {"validation_failed", "idempotency_key_reused"}},
      {424, {"not_executed"}},
      {429, {"rate_limited"}},
      {431, {"header_fields_too_large"}},
      {500, {"internal"}},
      {501, {"not_implemented"}},
      {503, {"unavailable", "outcome_unknown", "overloaded"}},
  };
  for (const auto& [status, codes] : contract) {
    for (const std::string& name : codes) {
      CAPTURE(name);
      const auto code = errc_from_string(name);
      REQUIRE(code);
      CHECK(api::kind_of(*code).status == status);
    }
  }
  std::set<std::string> titles;
  for (std::size_t i = 0; i < errc_count; ++i) {
    const auto code = static_cast<errc>(i);
    const http::response answer = api::problem(code, "r");
    const json_value body = json_value::parse(answer.body);
    CAPTURE(answer.body);
    CHECK(answer.content_type == "application/problem+json");
    CHECK(body["status"] == answer.status);
    CHECK(body["code"] == to_string(code));
    CHECK(body["type"] == "/problems/" + std::string{to_string(code)});
    CHECK(body["request_id"] == "r");
    CHECK(!body["detail"].text().empty());
    CHECK(titles.insert(body["title"].text()).second);
    CHECK(!http::reason_phrase(answer.status).empty());
    CHECK(!body.contains("errors"));
    CHECK(errc_from_string(to_string(code)) == code);
  }
  CHECK(!errc_from_string("nonsense"));
}

TEST_CASE("an error's own sentence replaces the table's") {
  CHECK(json_value::parse(api::problem_body({errc::unavailable, "the \"pool\" is empty\n"}, "r"))["detail"] ==
        "the \"pool\" is empty\n");
}

TEST_CASE("a validation problem lists every violation") {
  error refusal{errc::validation_failed};
  refusal.fields.push_back({"#/amount", "greater_than", "must be greater than 0", {{"limit", 0}}});
  refusal.fields.push_back({"#/a", "range", "must be near", {{"minimum", 1}, {"maximum", 9}}});
  const json_value body = json_value::parse(api::problem_body(refusal, "r"));
  REQUIRE(body["errors"].size() == 2);
  CHECK(body["errors"][0] ==
        json_value::parse(
            R"({"pointer":"#/amount","code":"greater_than","detail":"must be greater than 0","params":{"limit":0}})"));
  CHECK(body["errors"][1]["params"] == json_value::parse(R"({"minimum":1,"maximum":9})"));
}

TEST_CASE("a problem is a pure function of error and request id") {
  const error refusal = error{errc::already_owned}.with("product_id", 7);
  CHECK(api::problem_body(refusal, "r-1") == api::problem_body(refusal, "r-1"));
  CHECK(api::problem_body(refusal, "r-1") != api::problem_body(refusal, "r-2"));
}

TEST_CASE("a problem stays JSON whatever it is told") {
  error refusal{errc::invalid_parameter, "bad \xFF byte"};
  refusal.fields.push_back({"\xC3", "x\"", "\x01", {}});
  CHECK_NOTHROW(json_value::parse(api::problem_body(refusal, "\xF0\x9F")));
}

TEST_CASE("what can be retried says when, and what needs credentials says which") {
  using headers = std::vector<std::pair<std::string_view, std::string>>;
  CHECK(api::problem(errc::unavailable, "r").headers == headers{{"Retry-After", "1"}});
  CHECK(api::problem(errc::outcome_unknown, "r").headers == headers{{"Retry-After", "1"}});
  CHECK(api::problem(errc::overloaded, "r").headers == headers{{"Retry-After", "1"}});
  CHECK(api::problem(errc::internal, "r").headers.empty());
}

}  // namespace api_problem_test
