#include "coffer/api/batch_body.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "coffer/api/dto.hpp"
#include "coffer/json/json_schema.hpp"

namespace coffer::api {

namespace {

using operation_schema = json::object<batch_operation>;

constexpr json::integer operation_id{1, max_json_integer};
constexpr json::integer operation_price{0, domain::max_credits.value};
constexpr json::integer operation_quantity{1, domain::max_quantity};
constexpr json::text any_key{1, 255, json::charset::line};

const std::vector<std::string_view> operation_names{"purchase", "use", "add_funds", "grant", "refund"};

constexpr std::string_view key_help = "As the header Idempotency-Key of the single request, without quotes around it.";

void check_key(const batch_operation& body, json::violations& found) { check_body_key(body.idempotency_key, found); }

operation_schema make_operation(std::string_view name) {
  return operation_schema{name}.required("op", &batch_operation::kind, json::choice{operation_names},
                                         "What the operation does.");
}

operation_schema make_purchase() {
  return make_operation("PurchaseOperation")
      .required("product_id", &batch_operation::product, operation_id, "What is bought.")
      .optional("quantity", &batch_operation::quantity, operation_quantity, "Units; must be 1 for a permanent product.")
      .optional("expected_price", &batch_operation::expected_price, operation_price,
                "Price per unit that the buyer saw; another price refuses the purchase.")
      .optional("idempotency_key", &batch_operation::idempotency_key, any_key, key_help)
      .rule(check_key);
}

operation_schema make_use() {
  return make_operation("UseOperation")
      .required("product_id", &batch_operation::product, operation_id, "What is used up.")
      .optional("quantity", &batch_operation::quantity, operation_quantity, "Units to use up.")
      .optional("idempotency_key", &batch_operation::idempotency_key, any_key, key_help)
      .rule(check_key);
}

operation_schema make_add_funds(std::int64_t max_deposit) {
  return make_operation("AddFundsOperation")
      .required("amount", &batch_operation::amount, json::integer{1, max_deposit}, "Whole credits.")
      .required("idempotency_key", &batch_operation::idempotency_key, any_key, key_help)
      .rule(check_key);
}

operation_schema make_grant() {
  return make_operation("GrantOperation")
      .optional("credits", &batch_operation::credits, granted_credits, "Whole credits; negative: taken away. Not 0.")
      .optional("product_id", &batch_operation::product, operation_id, "What is given or taken, instead of credits.")
      .optional("quantity", &batch_operation::quantity, granted_units,
                "Units of the product; negative: taken away. Not 0.")
      .required("reason", &batch_operation::reason, operator_reason, reason_help)
      .optional("note_public", &batch_operation::note_public, json::boolean{}, note_public_help)
      .optional("idempotency_key", &batch_operation::idempotency_key, any_key, key_help)
      .rule(check_key)
      .rule([](const batch_operation& o, json::violations& found) {
        check_grant(o.credits, o.product.value != 0, o.quantity, found);
      });
}

operation_schema make_refund() {
  return make_operation("RefundOperation")
      .required("version", &batch_operation::purchase, operation_id, "The purchase or deposit.")
      .optional("quantity", &batch_operation::quantity, operation_quantity,
                "Units of a purchase to take back; without: all that can be.")
      .optional("force", &batch_operation::force, json::boolean{}, force_help)
      .optional("up_to", &batch_operation::up_to, json::boolean{}, up_to_help)
      .required("reason", &batch_operation::reason, operator_reason, reason_help)
      .optional("note_public", &batch_operation::note_public, json::boolean{}, note_public_help)
      .optional("idempotency_key", &batch_operation::idempotency_key, any_key, key_help)
      .rule(check_key);
}

/// In the order of operation_names.
std::vector<operation_schema> make_operations(std::int64_t max_deposit) {
  return {make_purchase(), make_use(), make_add_funds(max_deposit), make_grant(), make_refund()};
}

/// Reads operations by the schema that their member "op" chooses.
class operations_reader {
 public:
  explicit operations_reader(std::int64_t max_deposit) : schemas_{make_operations(max_deposit)} {}

  void operator()(const json::value& v, batch_body& body, json::violations& found) const {
    if (v.kind() != json::kind::array) {
      found.add("operations", "type", fmt::format("must be an array, not {}", to_string(v.kind())));
      return;
    }
    const std::size_t count = v.elements().size();
    if (count < 1 || count > max_operations) {
      found.add("operations", count < 1 ? "min_items" : "max_items",
                fmt::format("must hold 1 to {} operations", max_operations),
                {{"minimum", 1}, {"maximum", static_cast<std::int64_t>(max_operations)}});
      return;
    }
    body.operations.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      result<batch_operation> read = schema_for(v.elements()[i]).read(v.elements()[i]);
      if (read) {
        body.operations.push_back(*std::move(read));
      } else {
        found.add_nested(fmt::format("#/operations/{}", i), std::move(read.error().fields));
      }
    }
  }

 private:
  /// The first schema refuses what has no known "op".
  [[nodiscard]] const operation_schema& schema_for(const json::value& v) const {
    const json::value* op = v.kind() == json::kind::object ? v.find("op") : nullptr;
    if (op == nullptr || op->kind() != json::kind::string) {
      return schemas_.front();
    }
    const auto name = std::find(operation_names.begin(), operation_names.end(), op->as_string());
    return name == operation_names.end() ? schemas_.front()
                                         : schemas_[static_cast<std::size_t>(name - operation_names.begin())];
  }

  std::vector<operation_schema> schemas_;  ///< in the order of operation_names
};

/// A retry of a batch that is half protected by keys would be half a retry.
void check_keys_of_all(const batch_body& body, json::violations& found) {
  const auto keyed = std::count_if(body.operations.begin(), body.operations.end(),
                                   [](const batch_operation& o) { return !o.idempotency_key.empty(); });
  if (body.atomic && keyed != 0 && keyed != std::ssize(body.operations)) {
    found.add("operations", "all_or_no_keys", "every operation of an atomic batch has an idempotency_key, or none has",
              {{"with_key", keyed}, {"operations", std::ssize(body.operations)}});
  }
}

}  // namespace

json::object<batch_body> make_batch_schema(std::int64_t max_deposit) {
  json::member_info operations;
  operations.name = "operations";
  operations.type = "array";
  operations.required = true;
  operations.description = "Decided in this order.";
  operations.minimum = 1;
  operations.maximum = static_cast<std::int64_t>(max_operations);
  return json::object<batch_body>{"Batch"}
      .required("user_id", &batch_body::user, operation_id, "Whose operations these are.")
      .optional("atomic", &batch_body::atomic, json::boolean{}, "Whether all operations happen or none.")
      .structured(std::move(operations), operations_reader{max_deposit})
      .rule(check_keys_of_all);
}

std::string batch_json_schema(std::int64_t max_deposit) {
  const std::vector<operation_schema> schemas = make_operations(max_deposit);
  std::string choices;
  for (std::size_t i = 0; i < schemas.size(); ++i) {
    std::vector<json::member_info> members = schemas[i].members();
    members.front().names = {operation_names[i]};  // "op" chooses the schema
    choices.append(choices.empty() ? "" : ",").append(json::object_schema(members));
  }
  return fmt::format(
      R"({{"type":"object","properties":{{"user_id":{{"type":"integer","format":"int64","minimum":1,"maximum":{}}},)"
      R"("atomic":{{"type":["boolean","null"],"default":false,"description":"Whether all operations happen or none."}},)"
      R"("operations":{{"type":"array","minItems":1,"maxItems":{},"items":{{"oneOf":[{}]}}}}}},)"
      R"("required":["user_id","operations"],"additionalProperties":false}})",
      max_json_integer, max_operations, choices);
}

}  // namespace coffer::api
