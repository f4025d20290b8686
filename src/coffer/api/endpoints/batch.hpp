// POST /batch: several operations of one user. An operation is a body of one of the single requests, with what that has
// in its path and its header.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "coffer/api/answers.hpp"
#include "coffer/api/endpoints/add_funds.hpp"
#include "coffer/api/endpoints/grant.hpp"
#include "coffer/api/endpoints/purchase.hpp"
#include "coffer/api/endpoints/refund.hpp"
#include "coffer/api/endpoints/use.hpp"
#include "coffer/api/outcome.hpp"
#include "coffer/json/json_schema.hpp"

namespace coffer::api {

/// The most operations that one batch may hold.
inline constexpr std::size_t max_operations = 100;

struct purchase_operation : purchase_terms {
  product_id product;
};

struct use_operation : use_terms {
  product_id product;
};

struct refund_operation : refund_body {
  version at;  ///< of the transaction that is refunded
};

/// One operation.
struct batch_operation {
  using variant = std::variant<purchase_operation, use_operation, add_funds_body, grant_body, refund_operation>;
  variant what;
  std::string idempotency_key;  ///< empty: none
};

/// POST /batch
struct batch_body {
  claimed_user_id user;
  bool atomic = false;
  std::vector<batch_operation> operations;
};

namespace detail {

/// As "op" spells the alternatives of batch_operation, in their order.
enum class operation_kind : std::uint8_t { purchase = 1, use = 2, add_funds = 3, grant = 4, refund = 5 };
inline const std::vector<std::string_view> operation_names{"purchase", "use", "add_funds", "grant", "refund"};

/// An operation as it is read.
template <typename What>
struct operation_body : What {
  operation_kind kind = operation_kind::purchase;
  std::string idempotency_key;
};

template <typename What>
using operation_schema = json::object<operation_body<What>>;

template <typename What>
operation_schema<What> begin_operation(std::string_view name) {
  return operation_schema<What>{name}.required("op", &operation_body<What>::kind, json::choice{operation_names},
                                               "What the operation does.");
}

template <typename What>
operation_schema<What> end_operation(operation_schema<What> schema, bool needs_key = false) {
  constexpr std::string_view help = "As the header Idempotency-Key of the single request, without quotes around it.";
  const auto add = needs_key ? &operation_schema<What>::template required<std::string, json::text>
                             : &operation_schema<What>::template optional<std::string, json::text>;
  (schema.*add)("idempotency_key", &operation_body<What>::idempotency_key, any_body_key, help);
  return schema.rule(
      [](const operation_body<What>& o, json::violations& found) { check_body_key(o.idempotency_key, found); });
}

/// The descriptions of all operations; reads one by the description that its member "op" chooses.
class operation_schemas {
 public:
  explicit operation_schemas(std::int64_t max_deposit)
      : purchase_{end_operation(with_purchase_members(
            begin_operation<purchase_operation>("PurchaseOperation")
                .required("product_id", of_part<operation_body<purchase_operation>>(&purchase_operation::product),
                          any_id, "What is bought.")))},
        use_{end_operation(with_use_members(
            begin_operation<use_operation>("UseOperation")
                .required("product_id", of_part<operation_body<use_operation>>(&use_operation::product), any_id,
                          "What is used up.")))},
        add_funds_{end_operation(
            with_add_funds_members(begin_operation<add_funds_body>("AddFundsOperation"), max_deposit), true)},
        grant_{end_operation(with_grant_members(begin_operation<grant_body>("GrantOperation")))},
        refund_{end_operation(with_refund_members(
            begin_operation<refund_operation>("RefundOperation")
                .required("version", of_part<operation_body<refund_operation>>(&refund_operation::at), any_id,
                          "The purchase or deposit.")))} {}

  [[nodiscard]] result<batch_operation> read(const json::value& v) const {
    switch (kind_in(v)) {
      case operation_kind::purchase:
        return read_as(purchase_, v);
      case operation_kind::use:
        return read_as(use_, v);
      case operation_kind::add_funds:
        return read_as(add_funds_, v);
      case operation_kind::grant:
        return read_as(grant_, v);
      case operation_kind::refund:
        break;
    }
    return read_as(refund_, v);
  }

  /// JSON Schema of one operation.
  [[nodiscard]] std::string json_schema() const {
    std::string choices;
    const auto add = [&choices](operation_kind kind, std::vector<json::member_info> members) {
      members.front().names = {operation_names[static_cast<std::size_t>(kind) - 1]};  // "op" chooses the schema
      choices.append(choices.empty() ? "" : ",").append(json::object_schema(members));
    };
    add(operation_kind::purchase, purchase_.members());
    add(operation_kind::use, use_.members());
    add(operation_kind::add_funds, add_funds_.members());
    add(operation_kind::grant, grant_.members());
    add(operation_kind::refund, refund_.members());
    return R"({"oneOf":[)" + choices + "]}";
  }

 private:
  /// The first description refuses what has no known "op".
  static operation_kind kind_in(const json::value& v) {
    const json::value* op = v.kind() == json::kind::object ? v.find("op") : nullptr;
    if (op == nullptr || op->kind() != json::kind::string) {
      return operation_kind::purchase;
    }
    const auto name = std::find(operation_names.begin(), operation_names.end(), op->as_string());
    return name == operation_names.end() ? operation_kind::purchase
                                         : static_cast<operation_kind>(name - operation_names.begin() + 1);
  }

  template <typename What>
  static result<batch_operation> read_as(const operation_schema<What>& schema, const json::value& v) {
    result<operation_body<What>> read = schema.read(v);
    if (!read) {
      return std::unexpected(std::move(read).error());
    }
    std::string key = std::move(read->idempotency_key);
    return batch_operation{static_cast<What&&>(*std::move(read)), std::move(key)};
  }

  operation_schema<purchase_operation> purchase_;
  operation_schema<use_operation> use_;
  operation_schema<add_funds_body> add_funds_;
  operation_schema<grant_body> grant_;
  operation_schema<refund_operation> refund_;
};

inline void read_operations(const operation_schemas& schemas, const json::value& v, batch_body& body,
                            json::violations& found) {
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
    result<batch_operation> read = schemas.read(v.elements()[i]);
    if (read) {
      body.operations.push_back(*std::move(read));
    } else {
      found.add_nested(fmt::format("#/operations/{}", i), std::move(read.error().fields));
    }
  }
}

/// A retry of a batch that is half protected by keys would be half a retry.
inline void check_keys_of_all(const batch_body& body, json::violations& found) {
  const auto keyed = std::count_if(body.operations.begin(), body.operations.end(),
                                   [](const batch_operation& o) { return !o.idempotency_key.empty(); });
  if (body.atomic && keyed != 0 && keyed != std::ssize(body.operations)) {
    found.add("operations", "all_or_no_keys", "every operation of an atomic batch has an idempotency_key, or none has",
              {{"with_key", keyed}, {"operations", std::ssize(body.operations)}});
  }
}

/// What an operation needs and counts as: what the request for it alone does.
inline const access& rules_of(const batch_operation& o) {
  static constexpr std::array<access, std::variant_size_v<batch_operation::variant>> by_kind = {
      purchase_endpoint.who, use_endpoint.who, add_funds_endpoint.who, grant_endpoint.who, refund_endpoint.who};
  return by_kind.at(o.what.index());
}

/// Makes the command of an operation. `row` is what a refund is about.
struct operation_command {
  request_identity who;
  user_id user;
  const domain::transaction* row;

  domain::command operator()(const purchase_operation& o) {
    return purchase_command(std::move(who), user, o.product, o);
  }
  domain::command operator()(const use_operation& o) { return use_command(std::move(who), user, o.product, o); }
  domain::command operator()(const add_funds_body& o) { return add_funds_command(std::move(who), user, o); }
  domain::command operator()(const grant_body& o) { return grant_command(std::move(who), user, o); }
  domain::command operator()(const refund_operation& o) { return refund_command(std::move(who), *row, o); }
};

/// The refusal that the batch as a whole is answered with: nothing was decided, and for one reason. What was refused
/// from memory, as sold out without a row, has not met that reason.
inline const error* whole_refusal(const std::vector<domain::verdict>& verdicts) {
  const error* why = nullptr;
  for (const domain::verdict& v : verdicts) {
    if (v) {
      return nullptr;
    }
    const errc code = v.error().code;
    if (code == errc::sold_out || code == errc::not_executed) {
      continue;
    }
    if (why == nullptr) {
      why = &v.error();
    } else if (code != why->code) {
      return nullptr;
    }
  }
  const bool of_all = why != nullptr && (why->code == errc::user_not_found || kind_of(why->code).status >= 500);
  return of_all ? why : nullptr;
}

/// Refusals of the operation at `place`, as refusals of the batch.
inline error of_operation(std::size_t place, error why) {
  if (why.code == errc::transaction_not_found) {
    why.detail = fmt::format("The user has no transaction with the version that operation {} refunds.", place);
  }
  for (field_error& each : why.fields) {
    each.pointer.replace(0, 1, fmt::format("#/operations/{}", place));
  }
  return why;
}

}  // namespace detail

/// Deposits end at `max_deposit` credits.
inline json::object<batch_body> make_batch_schema(std::int64_t max_deposit) {
  const detail::operation_schemas schemas{max_deposit};
  json::member_info operations;
  operations.name = "operations";
  operations.type = "array";
  operations.required = true;
  operations.description = "Decided in this order.";
  operations.minimum = 1;
  operations.maximum = static_cast<std::int64_t>(max_operations);
  operations.items = schemas.json_schema();
  return json::object<batch_body>{"Batch"}
      .required("user_id", &batch_body::user, any_id, "Whose operations these are.")
      .optional("atomic", &batch_body::atomic, json::boolean{}, "Whether all operations happen or none.")
      .structured(std::move(operations),
                  [schemas](const json::value& v, batch_body& body, json::violations& found) {
                    detail::read_operations(schemas, v, body, found);
                  })
      .rule(detail::check_keys_of_all);
}

/// What became of one operation.
struct operation_outcome {
  shown_outcome what;
};

template <typename Sink>
void members_of(Sink& out, const operation_outcome& of) {
  out.called("OperationOutcome", outcome_text);
  outcome_members(out, of.what, "Of the single request's answer.");
  out.member("replayed", of.what.what && of.what.what->replayed, {.text = "Whether it had been decided before."});
  out.one_of({{"receipt"}, {"problem"}});
}

/// What became of all of them.
struct batch_outcome {
  user_id user;
  bool atomic = false;
  std::int64_t completed = 0;
  std::span<const operation_outcome> operations;
};

template <typename Sink>
void members_of(Sink& out, const batch_outcome& of) {
  out.called("BatchResult");
  out.member("user_id", of.user.value, shown_id);
  out.member("atomic", of.atomic, {});
  out.member("completed", of.completed, {.text = "Operations that have happened.", .minimum = 0});
  out.list("operations", of.operations, {.minimum = 1});
}

inline net::task<http::response> run_batch(context& with, call c) {
  if (c.request.header("Idempotency-Key")) {
    co_return refuse(error{errc::invalid_idempotency_key, "A batch has no key of its own; its operations have."},
                     c.request);
  }
  const auto body = made_once(make_batch_schema, with.max_deposit).read(c.request.body);
  if (!body) {
    co_return refuse(body.error(), c.request);
  }
  operation_counts wanted{};
  for (const batch_operation& o : body->operations) {
    const access& needs = detail::rules_of(o);
    if (const auto allowed = gate::need(c.by, *needs.scope); !allowed) {
      co_return refuse(allowed.error(), c.request);
    }
    ++wanted.at(static_cast<std::size_t>(needs.counts_as));
  }
  const auto user = with.gate.enter(c.by, c.request, wanted, body->user);
  if (!user) {
    co_return refuse(user.error(), c.request);
  }
  std::vector<domain::command> commands;
  commands.reserve(body->operations.size());
  for (std::size_t i = 0; i < body->operations.size(); ++i) {
    const batch_operation& o = body->operations[i];
    std::optional<domain::transaction> row;
    if (const auto* const refunds = std::get_if<refund_operation>(&o.what)) {
      auto found = co_await with.history.find(*user, refunds->at, c.request.deadline);
      if (!found) {
        co_return refuse(detail::of_operation(i, found.error()), c.request);
      }
      row = *std::move(found);
      if (error odd = check_refund(*refunds, *row); !odd.fields.empty()) {
        co_return refuse(detail::of_operation(i, std::move(odd)), c.request);
      }
    }
    detail::operation_command make{{c, o.idempotency_key}, *user, row ? &*row : nullptr};
    commands.push_back(std::visit(make, o.what));
  }
  const std::vector<domain::verdict> verdicts =
      co_await with.wallet.run(std::move(commands), body->atomic, c.request.deadline);
  if (const error* why = detail::whole_refusal(verdicts)) {
    co_return refuse(*why, c.request);
  }
  std::vector<operation_outcome> outcomes;
  outcomes.reserve(verdicts.size());
  std::int64_t completed = 0;
  for (const domain::verdict& v : verdicts) {
    completed += v && v->row.status == domain::transaction_status::completed ? 1 : 0;
    outcomes.push_back({shown_outcome{v, c.request.request_id, audience_of(c.by.who)}});
  }
  co_return ok(batch_outcome{*user, body->atomic, completed, outcomes});
}

inline void add_batch_shape(shapes& all, const document_facts&) {
  const domain::verdict bought = domain::decision{.row = samples::purchase(), .replayed = false};
  const operation_outcome outcomes[] = {{shown_outcome{bought, samples::request_id, audience::operators}}};
  all.add(batch_outcome{.user = user_id{1}, .atomic = false, .completed = 1, .operations = outcomes});
}

inline description describe_run_batch(const document_facts& facts) {
  using enum errc;
  return {.id = "runBatch",
          .tag = "Wallet",
          .summary = "Several operations of one user",
          .text =
              "Decided in order, each like the single request; with `atomic` all of them happen or none. Refusals of "
              "single operations are in the body of a 200. When nothing was decided, for one reason, the request as a "
              "whole is answered with it. All operations are taken from the limits at once, or none; more than a limit "
              "ever allows at once are refused as `validation_failed`, with `exceeds_limit` at `#/operations` and the "
              "`maximum`. The header Idempotency-Key is refused: keys belong to the operations.",
          .body = body_of(make_batch_schema(facts.max_deposit),
                          R"({"user_id":1,"atomic":true,"operations":[)"
                          R"({"op":"add_funds","amount":50,"idempotency_key":"order-7-pay"},)"
                          R"({"op":"purchase","product_id":1,"idempotency_key":"order-7-buy"}]})"),
          .replies = {{.text = "What became of each operation.", .shape = "BatchResult"}},
          .errors = {invalid_idempotency_key, user_not_found, transaction_not_found},
          .add_shapes = add_batch_shape};
}

inline constexpr endpoint batch_endpoint{.verb = http::method::post,
                                         .path = "/batch",
                                         .serve = run_batch,
                                         .describe = describe_run_batch,
                                         .who = access::by_operation(),
                                         .body = body_kind::json};

}  // namespace coffer::api
