// The bodies of the endpoints.
#include "coffer/api/endpoints/add_funds.hpp"
#include "coffer/api/endpoints/products.hpp"
#include "coffer/api/endpoints/purchase.hpp"
#include "coffer/api/endpoints/use.hpp"
#include "coffer/api/endpoints/users.hpp"

#include <concepts>

#include "support/catch.hpp"

namespace api_dto_test {

using namespace coffer;

namespace {

/// "pointer code | ..." of a refusal; "ok" when there is none.
template <typename Schema>
std::string violations_of(const Schema& schema, std::string body) {
  const auto read = schema.read(body);
  if (read) {
    return "ok";
  }
  std::string list;
  for (const field_error& f : read.error().fields) {
    list += (list.empty() ? "" : " | ") + f.pointer + " " + f.code;
  }
  return list.empty() ? std::string{to_string(read.error().code)} : list;
}

// A handler that forgets to ask the gate has no user_id to work with.
static_assert(!std::constructible_from<user_id, api::claimed_user_id>);
static_assert(!std::constructible_from<std::int64_t, api::claimed_user_id>);

/// Who a body says it is, as the gate reads it.
user_id user_of(api::claimed_user_id claimed) { return api::gate::admits(auth::anybody, claimed).value(); }

std::string quoted(std::string_view text) { return "\"" + std::string{text} + "\""; }

}  // namespace

TEST_CASE("a new user has a username of 3 to 32 plain characters and an e-mail address") {
  const auto user = [](const std::string& name, const std::string& email) {
    return violations_of(api::create_user_schema(), R"({"username":)" + name + R"(,"email":)" + email + "}");
  };
  const std::string good = quoted("a@b.cd");
  CHECK(user(quoted("abc"), good) == "ok");
  CHECK(user(quoted(std::string(32, 'a')), good) == "ok");
  CHECK(user(quoted("A.b_c-9"), good) == "ok");
  CHECK(user(quoted("ab"), good) == "#/username min_length");
  CHECK(user(quoted(std::string(33, 'a')), good) == "#/username max_length");
  CHECK(user(quoted("a b"), good) == "#/username pattern");
  CHECK(user(quoted("abc"), quoted("abc")) == "#/email pattern");
  const std::string domain = std::string(63, 'd') + "." + std::string(63, 'e') + "." + std::string(59, 'f') + ".g";
  CHECK(user(quoted("abc"), quoted(std::string(64, 'a') + "@" + domain)) == "ok");
  CHECK(user(quoted("abc"), quoted(std::string(64, 'a') + "@" + domain + "h")) == "#/email max_length");
  CHECK(violations_of(api::create_user_schema(), "{}") == "#/username required | #/email required");
  CHECK(violations_of(api::create_user_schema(), R"({"username":"abc","email":"a@b.cd","balance":5})") ==
        "#/balance unknown_member");
}

TEST_CASE("a new product needs name, price and type; the rest has defaults") {
  std::string body = R"({"name":"x","price":0,"type":"permanent"})";
  const auto read = api::create_product_schema().read(body);
  REQUIRE(read);
  CHECK(read->description.empty());
  CHECK(read->is_active);
  CHECK(read->price.value == 0);
  CHECK(read->type == domain::product_type::permanent);
  CHECK(violations_of(api::create_product_schema(), "{}") == "#/name required | #/price required | #/type required");
  const auto product = [](const std::string& name, const std::string& price, const std::string& type) {
    return violations_of(api::create_product_schema(),
                         R"({"name":)" + name + R"(,"price":)" + price + R"(,"type":)" + type + "}");
  };
  const std::string good = quoted("consumable");
  CHECK(product(quoted(std::string(100, 'n')), "9007199254740991", good) == "ok");
  CHECK(product(quoted(std::string(101, 'n')), "1", good) == "#/name max_length");
  CHECK(product(quoted(""), "1", good) == "#/name min_length");
  CHECK(product(quoted("a\\nb"), "1", good) == "#/name pattern");
  CHECK(product(quoted("a"), "-1", good) == "#/price greater_than_or_equal");
  CHECK(product(quoted("a"), "9007199254740992", good) == "#/price less_than_or_equal");
  CHECK(product(quoted("a"), "1.5", good) == "#/price type");
  CHECK(product(quoted("a"), "1", quoted("other")) == "#/type enum");
  CHECK(product(quoted("a"), "1", "1") == "#/type type");
}

TEST_CASE("a description has up to 2000 characters and may have line breaks") {
  const auto described = [](const std::string& text) {
    return violations_of(api::create_product_schema(),
                         R"({"name":"x","price":1,"type":"permanent","description":")" + text + "\"}");
  };
  CHECK(described("") == "ok");
  CHECK(described("a\\nb\\tc") == "ok");
  CHECK(described("\\u0000") == "#/description pattern");
  std::string longest;
  for (int i = 0; i < 2000; ++i) {
    longest += "\u20ac";
  }
  CHECK(described(longest) == "ok");
  CHECK(described(longest + "x") == "#/description max_length");
}

TEST_CASE("a change names at least one member, and never the type") {
  const auto& schema = api::change_product_schema();
  std::string body = R"({"price":5})";
  const auto read = schema.read(body);
  REQUIRE(read);
  CHECK(read->price == domain::credits{5});
  CHECK(!read->name);
  CHECK(!read->description);
  CHECK(!read->is_active);
  CHECK(violations_of(schema, R"({"name":"a","description":"","price":0,"is_active":false})") == "ok");
  CHECK(violations_of(schema, "{}") == "# min_members");
  CHECK(violations_of(schema, R"({"name":null})") == "# min_members");
  CHECK(violations_of(schema, R"({"type":"permanent"})") == "#/type immutable");
  CHECK(violations_of(schema, R"({"id":1,"price":1})") == "#/id unknown_member");
}

TEST_CASE("the terms of a sale are set by a value, cleared by null and kept when they are left out") {
  const auto& schema = api::change_product_schema();
  std::string body = R"({"stock":0,"per_user_limit":null,"sale_starts_at":"2026-01-31T20:00:00.5+02:00"})";
  const auto read = schema.read(body);
  REQUIRE(read);
  REQUIRE(read->stock);
  CHECK(*read->stock == 0);
  REQUIRE(read->per_user_limit);
  CHECK(!read->per_user_limit->has_value());
  REQUIRE(read->sale_starts_at);
  REQUIRE(read->sale_starts_at->has_value());
  CHECK(to_rfc3339(**read->sale_starts_at) == "2026-01-31T18:00:00.500000Z");
  CHECK(!read->sale_ends_at);
}

TEST_CASE("every broken term of a sale is named") {
  const std::string start = R"({"name":"a","price":1,"type":"consumable",)";
  const auto& create = api::create_product_schema();
  CHECK(violations_of(create, start + R"("stock":null,"per_user_limit":null,"sale_starts_at":null})") == "ok");
  CHECK(violations_of(create, start + R"("stock":-1})") == "#/stock greater_than_or_equal");
  CHECK(violations_of(create, start + R"("stock":1000000001})") == "#/stock less_than_or_equal");
  CHECK(violations_of(create, start + R"("per_user_limit":0})") == "#/per_user_limit greater_than");
  CHECK(violations_of(create, start + R"("sale_starts_at":"tomorrow"})") == "#/sale_starts_at date_time");
  CHECK(violations_of(create, start + R"("sale_ends_at":0})") == "#/sale_ends_at type");
  const std::string_view window =
      R"("sale_starts_at":"2026-01-01T00:00:00Z","sale_ends_at":"2026-01-01T01:00:00+01:00"})";
  CHECK(violations_of(create, start + std::string{window}) == "#/sale_ends_at after");
  CHECK(violations_of(api::change_product_schema(), "{" + std::string{window}) == "#/sale_ends_at after");
}

TEST_CASE("a deposit is from 1 to the configured most") {
  const auto schema = api::make_add_funds_schema(1000);
  CHECK(violations_of(schema, R"({"amount":1})") == "ok");
  CHECK(violations_of(schema, R"({"amount":1000})") == "ok");
  CHECK(violations_of(schema, R"({"amount":0})") == "#/amount greater_than");
  CHECK(violations_of(schema, R"({"amount":-1})") == "#/amount greater_than");
  CHECK(violations_of(schema, R"({"amount":1001})") == "#/amount less_than_or_equal");
  CHECK(violations_of(schema, R"({"amount":1e3})") == "ok");
  CHECK(violations_of(schema, R"({"amount":1000.5})") == "#/amount type");
  CHECK(violations_of(schema, R"({"amount":"1"})") == "#/amount type");
  CHECK(violations_of(schema, "{}") == "#/amount required");
  CHECK(violations_of(schema, "") == "malformed_json");
}

TEST_CASE("a purchase is of one unit unless asked otherwise, up to 1000") {
  std::string body = R"({"user_id":7})";
  const auto read = api::purchase_schema().read(body);
  REQUIRE(read);
  CHECK(user_of(read->user) == user_id{7});
  CHECK(read->quantity == 1);
  CHECK(!read->expected_price);
  const auto purchase = [](const std::string& rest) {
    return violations_of(api::purchase_schema(), R"({"user_id":7,)" + rest + "}");
  };
  CHECK(purchase(R"("quantity":1000,"expected_price":0)") == "ok");
  CHECK(purchase(R"("expected_price":null)") == "ok");
  CHECK(purchase(R"("quantity":1001)") == "#/quantity less_than_or_equal");
  CHECK(purchase(R"("quantity":0)") == "#/quantity greater_than");
  CHECK(purchase(R"("quantity":null,"expected_price":null)") == "ok");
  CHECK(purchase(R"("quantity":1e3,"expected_price":9.007199254740991E15)") == "ok");
  CHECK(purchase(R"("quantity":1001.0)") == "#/quantity less_than_or_equal");
  CHECK(purchase(R"("quantity":1.5)") == "#/quantity type");
  CHECK(purchase(R"("expected_price":-1)") == "#/expected_price greater_than_or_equal");
  CHECK(purchase(R"("product_id":1)") == "#/product_id unknown_member");
  CHECK(violations_of(api::purchase_schema(), R"({"user_id":0})") == "#/user_id greater_than");
  CHECK(violations_of(api::purchase_schema(), R"({"user_id":9007199254740992})") == "#/user_id less_than_or_equal");
  CHECK(violations_of(api::purchase_schema(), R"({"user_id":"7"})") == "#/user_id type");
}

TEST_CASE("a use is of one unit unless asked otherwise, up to 1000") {
  std::string body = R"({"user_id":7})";
  const auto read = api::use_schema().read(body);
  REQUIRE(read);
  CHECK(user_of(read->user) == user_id{7});
  CHECK(read->quantity == 1);
  CHECK(violations_of(api::use_schema(), R"({"user_id":7,"quantity":1000})") == "ok");
  CHECK(violations_of(api::use_schema(), R"({"user_id":7,"quantity":1001})") == "#/quantity less_than_or_equal");
  CHECK(violations_of(api::use_schema(), R"({"quantity":1})") == "#/user_id required");
}

}  // namespace api_dto_test
