#include "coffer/api/dto.hpp"

#include <algorithm>

#include "coffer/api/grant.hpp"
#include "coffer/base/text.hpp"

namespace coffer::api {

namespace {

constexpr json::integer any_id{1, max_json_integer};
constexpr json::integer any_price{0, domain::max_credits.value};
constexpr json::integer any_stock{0, 1'000'000'000};
constexpr json::integer any_limit{1, 1'000'000'000};
constexpr json::integer any_quantity{1, domain::max_quantity};
constexpr json::text product_name{1, 100, json::charset::line};
constexpr json::text product_description{0, 2000, json::charset::text};

constexpr std::string_view name_help =
    "Shown to players; unique regardless of case, of spaces around it, of characters that are not seen and of how "
    "letters are composed.";
constexpr std::string_view description_help = "Shown to players.";
constexpr std::string_view price_help = "Whole credits per unit.";
constexpr std::string_view active_help = "Whether the product can be bought.";
constexpr std::string_view stock_help = "Units left from now on; null: unlimited.";
constexpr std::string_view limit_help = "Units that one user may ever buy, used up ones included; null: any number.";
constexpr std::string_view starts_help = "The first moment of the sale; null: no start.";
constexpr std::string_view ends_help = "The first moment after the sale; null: no end.";

void check_name(std::string_view name, json::violations& found) {
  if (!has_visible(name)) {
    found.add("name", "pattern", "must have a character that can be seen");
  }
}

void check_sale(std::optional<timestamp> starts, std::optional<timestamp> ends, json::violations& found) {
  if (starts && ends && *ends <= *starts) {
    found.add("sale_ends_at", "after", "must be after sale_starts_at");
  }
}

}  // namespace

const json::object<create_user_body>& create_user_schema() {
  static const auto schema = json::object<create_user_body>{"CreateUser"}
                                 .required("username", &create_user_body::username,
                                           json::text{3, 32, json::charset::username}, "Unique regardless of case.")
                                 .required("email", &create_user_body::email, json::text{3, 254, json::charset::email},
                                           "Unique regardless of case.");
  return schema;
}

const json::object<create_product_body>& create_product_schema() {
  static const auto schema =
      json::object<create_product_body>{"CreateProduct"}
          .required("name", &create_product_body::name, product_name, name_help)
          .optional("description", &create_product_body::description, product_description, description_help)
          .required("price", &create_product_body::price, any_price, price_help)
          .required("type", &create_product_body::type, json::choice{{"consumable", "permanent"}},
                    "Consumables stack and are used up; a permanent is owned once. Cannot be changed later.")
          .optional("is_active", &create_product_body::is_active, json::boolean{}, active_help)
          .optional("stock", &create_product_body::stock, any_stock, stock_help)
          .optional("per_user_limit", &create_product_body::per_user_limit, any_limit, limit_help)
          .optional("sale_starts_at", &create_product_body::sale_starts_at, json::date_time{}, starts_help)
          .optional("sale_ends_at", &create_product_body::sale_ends_at, json::date_time{}, ends_help)
          .rule([](const create_product_body& body, json::violations& found) {
            check_name(body.name, found);
            check_sale(body.sale_starts_at, body.sale_ends_at, found);
          });
  return schema;
}

const json::object<change_product_body>& change_product_schema() {
  static const auto schema =
      json::object<change_product_body>{"ChangeProduct"}
          .optional("name", &change_product_body::name, product_name, name_help)
          .optional("description", &change_product_body::description, product_description, description_help)
          .optional("price", &change_product_body::price, any_price, price_help)
          .optional("is_active", &change_product_body::is_active, json::boolean{}, active_help)
          .clearable("stock", &change_product_body::stock, any_stock, stock_help)
          .clearable("per_user_limit", &change_product_body::per_user_limit, any_limit, limit_help)
          .clearable("sale_starts_at", &change_product_body::sale_starts_at, json::date_time{}, starts_help)
          .clearable("sale_ends_at", &change_product_body::sale_ends_at, json::date_time{}, ends_help)
          .fixed("type", "cannot be changed; make another product instead")
          .at_least_one()
          .rule([](const change_product_body& body, json::violations& found) {
            if (body.name) {
              check_name(*body.name, found);
            }
            check_sale(body.sale_starts_at.value_or(std::nullopt), body.sale_ends_at.value_or(std::nullopt), found);
          });
  return schema;
}

std::string canonical(const create_user_body& body) {
  std::string text;
  json::writer out{text};
  out.begin_object();
  out.key("username");
  out.value(body.username);
  out.key("email");
  out.value(body.email);
  out.end_object();
  return text;
}

std::string canonical(const create_product_body& body) {
  std::string text;
  json::writer out{text};
  out.begin_object();
  out.key("name");
  out.value(body.name);
  out.key("description");
  out.value(body.description);
  out.key("price");
  out.value(body.price.value);
  out.key("type");
  out.value(to_string(body.type));
  out.key("is_active");
  out.value(body.is_active);
  out.key("stock");
  write_canonical(out, body.stock);
  out.key("per_user_limit");
  write_canonical(out, body.per_user_limit);
  out.key("sale_starts_at");
  write_canonical(out, body.sale_starts_at);
  out.key("sale_ends_at");
  write_canonical(out, body.sale_ends_at);
  out.end_object();
  return text;
}

std::string canonical(const change_product_body& body) {
  std::string text;
  json::writer out{text};
  const auto member = [&out](json::name name, const auto& value) {
    if (value) {
      out.key(name);
      write_canonical(out, value);
    }
  };
  const auto clearable = [&out](json::name name, const auto& value) {
    if (value) {
      out.key(name);
      write_canonical(out, *value);
    }
  };
  out.begin_object();
  member("name", body.name);
  member("description", body.description);
  member("price", body.price);
  member("is_active", body.is_active);
  clearable("stock", body.stock);
  clearable("per_user_limit", body.per_user_limit);
  clearable("sale_starts_at", body.sale_starts_at);
  clearable("sale_ends_at", body.sale_ends_at);
  out.end_object();
  return text;
}

json::object<add_funds_body> make_add_funds_schema(std::int64_t max_deposit) {
  return json::object<add_funds_body>{"AddFunds"}.required("amount", &add_funds_body::amount,
                                                           json::integer{1, max_deposit}, "Whole credits.");
}

const json::object<purchase_body>& purchase_schema() {
  static const auto schema =
      json::object<purchase_body>{"Purchase"}
          .required("user_id", &purchase_body::user, any_id, "The buyer.")
          .optional("quantity", &purchase_body::quantity, any_quantity, "Units; must be 1 for a permanent product.")
          .optional("expected_price", &purchase_body::expected_price, any_price,
                    "Price per unit that the buyer saw; another price refuses the purchase.");
  return schema;
}

const json::object<use_body>& use_schema() {
  static const auto schema = json::object<use_body>{"Use"}
                                 .required("user_id", &use_body::user, any_id, "The owner.")
                                 .optional("quantity", &use_body::quantity, any_quantity, "Units to use up.");
  return schema;
}

void check_grant(std::optional<std::int64_t> credits, bool has_product, std::optional<std::int64_t> quantity,
                 json::violations& found) {
  if (credits.has_value() == has_product) {
    found.add("credits", "one_of", "give either credits, or product_id and quantity");
  } else if (has_product && !quantity) {
    found.add("quantity", "required", "is required with product_id");
  } else if (credits && quantity) {
    found.add("quantity", "one_of", "does not go with credits");
  }
  if (credits == 0) {
    found.add("credits", "not_zero", "must not be 0");
  }
  if (quantity == 0) {
    found.add("quantity", "not_zero", "must not be 0");
  }
}

void check_body_key(std::string_view key, json::violations& found) {
  if (!std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 0x7F; })) {
    found.add("idempotency_key", "pattern", "may contain only visible ASCII characters");
  }
}

const json::object<grant_body>& grant_schema() {
  static const auto schema = with_grant_members(json::object<grant_body>{"Grant"});
  return schema;
}

const json::object<refund_body>& refund_schema() {
  static const auto schema = json::object<refund_body>{"Refund"}
                                 .optional("quantity", &refund_body::quantity, any_quantity,
                                           "Units of a purchase to take back; without: all that can be.")
                                 .optional("force", &refund_body::force, json::boolean{}, force_help)
                                 .optional("up_to", &refund_body::up_to, json::boolean{}, up_to_help)
                                 .required("reason", &refund_body::reason, operator_reason, reason_help)
                                 .optional("note_public", &refund_body::note_public, json::boolean{}, note_public_help);
  return schema;
}

}  // namespace coffer::api
