// /webhooks: who is told of events, and what was not accepted.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "coffer/api/answers.hpp"
#include "coffer/api/cursor.hpp"
#include "coffer/api/endpoints/events.hpp"
#include "coffer/api/once.hpp"
#include "coffer/service/webhooks.hpp"

namespace coffer::api {

inline constexpr std::int64_t longest_url = 2000;
inline constexpr std::array<std::string_view, 2> delivery_statuses = {"retrying", "dead"};

/// The members of a webhook.
template <typename Sink>
void webhook_members(Sink& out, const store::webhook_row& of) {
  std::vector<std::string_view> types;
  for (std::size_t i = 0; i < domain::event_types.size(); ++i) {
    if (of.types.contain(static_cast<domain::event_type>(i))) {
      types.push_back(domain::event_types.at(i));
    }
  }
  out.member("id", of.id, shown_id);
  out.member("url", of.url, {.text = "Where events are sent to.", .maximum = longest_url});
  out.member("description", of.description, {.text = "For people.", .maximum = longest_reason});
  out.names("types", types, {.text = "The events that it is told of.", .names = domain::event_types});
  out.member("is_active", of.is_active, {.text = "Whether events are sent. Its place stays when they are not."});
  out.nullable("inactive_reason", std::string_view{of.inactive_reason ? *of.inactive_reason : std::string_view{}},
               {.text = "Why the server has switched it off: it answered 410 (gone), nothing was accepted for five "
                        "days (failing), or its next events are not kept any more or not known (as the codes of the "
                        "feed); else null.",
                .maximum = longest_code});
  out.nullable("failing_since", to_rfc3339_if_any(of.failing_since),
               {.text = "Since when no attempt has been accepted, of a webhook that fails again and again; else null.",
                .format = "date-time"});
  out.nullable("former_secret_until", to_rfc3339_if_any(of.former_until),
               {.text = "Until when the secret before signs, too; null: there is none.", .format = "date-time"});
  out.member("retrying", of.retrying,
             {.text = "Deliveries that are tried again later; counted up to 10001.", .minimum = 0});
  out.member("dead", of.dead, {.text = "Deliveries that are not tried any more; counted up to 10001.", .minimum = 0});
  out.member("is_replaying", of.replaying, {.text = "Whether a replay is under way."});
  out.member("created_at", to_rfc3339(of.created_at), any_time);
}

template <typename Sink>
void members_of(Sink& out, const store::webhook_row& of) {
  out.called("Webhook");
  webhook_members(out, of);
}

template <typename Sink>
void members_of(Sink& out, const service::made_webhook& made) {
  out.called("NewWebhook");
  out.nullable("secret", std::string_view{made.secret},
               {.text = "What signatures are checked with. It is shown this once and cannot be had again: null in a "
                        "repetition.",
                .maximum = 50,
                .pattern = "^whsec_[0-9A-Za-z+/]{43}=$"});
  webhook_members(out, made.row);
}

/// All webhooks.
struct webhook_list {
  std::span<const store::webhook_row> items;
};

template <typename Sink>
void members_of(Sink& out, const webhook_list& of) {
  out.called("Webhooks");
  out.list("items", of.items, {.maximum = store::max_webhooks});
}

template <typename Sink>
void members_of(Sink& out, const store::webhook_delivery& of) {
  out.called("Delivery");
  out.member("event_id", of.event_id, {.maximum = 64});
  out.member("type", domain::to_string(of.type), {.names = domain::event_types});
  out.member("status", delivery_statuses[of.next_attempt_at ? 0 : 1],
             {.text = "Retrying: it is tried again at next_attempt_at. Dead: only when a replay asks for it.",
              .names = delivery_statuses});
  out.member("attempts", std::int64_t{of.attempts}, {.text = "Made so far.", .minimum = 0});
  out.nullable("last_status", of.last_status ? std::optional{std::int64_t{*of.last_status}} : std::nullopt,
               {.text = "HTTP status of the last attempt; null: there was none.", .minimum = 200});
  out.member("last_error", of.last_error, {.text = "Why the last attempt failed.", .maximum = longest_detail});
  out.member("failed_at", to_rfc3339(of.failed_at), any_time);
  out.member("last_attempt_at", to_rfc3339(of.attempted_at), any_time);
  out.nullable("next_attempt_at", to_rfc3339_if_any(of.next_attempt_at),
               {.text = "Null: dead.", .format = "date-time"});
}

template <>
inline constexpr std::string_view page_name<store::webhook_delivery> = "DeliveryPage";

/// What a receiver said to a test.
struct webhook_test {
  net::outgoing_answer answer;
};

template <typename Sink>
void members_of(Sink& out, const webhook_test& of) {
  const net::outgoing_answer& a = of.answer;
  out.called("WebhookTest");
  out.member("is_accepted", a.status / 100 == 2, {.text = "Whether the status was 2xx."});
  out.nullable("status", a.status > 0 ? std::optional{std::int64_t{a.status}} : std::nullopt,
               {.text = "HTTP status; null: there was none.", .minimum = 200});
  out.nullable("error", std::string_view{a.message}, {.text = "Why there was none.", .maximum = longest_detail});
  out.member("took_ms", std::int64_t{a.took.count()}, {.text = "Milliseconds until the end.", .minimum = 0});
  out.member("body", std::string_view{a.body},
             {.text = "How the answer's body begins, what is not UTF-8 replaced.",
              .maximum = static_cast<std::int64_t>(net::outgoing::kept_body)});
}

namespace detail {

inline constexpr json::text webhook_url{1, static_cast<std::size_t>(longest_url), json::charset::line};
inline constexpr json::text webhook_description{0, static_cast<std::size_t>(longest_reason), json::charset::text};
inline constexpr std::string_view url_help =
    "An https URL that answers 2xx within 15 seconds. Redirects are not followed.";
inline constexpr std::string_view webhook_description_help = "For people.";
inline constexpr std::string_view webhook_active_help =
    "False: nothing is sent, and its place stays; true: it goes on from there.";

inline json::member_info types_member() {
  json::member_info info;
  info.name = "types";
  info.type = "array";
  info.nullable = true;
  info.description = "What it is told of. Null or absent: all but the events of what failed.";
  info.minimum = 1;
  info.maximum = std::ssize(domain::event_types);
  std::string items = R"({"type":"string","enum":[)";
  for (const std::string_view name : domain::event_types) {
    items.append(name == domain::event_types.front() ? "\"" : ",\"").append(name).append("\"");
  }
  info.items = items + "]}";
  return info;
}

/// Reads `types` of a body; null stands for the usual ones.
inline std::optional<domain::event_types_wanted> read_type_list(const json::value& v, json::violations& found) {
  if (v.kind() == json::kind::null) {
    return std::nullopt;
  }
  if (v.kind() != json::kind::array) {
    found.add("types", "type", "must be an array of strings");
    return std::nullopt;
  }
  if (v.elements().empty()) {
    found.add("types", "min_items", "must name at least one type", {{"minimum", 1}});
    return std::nullopt;
  }
  if (v.elements().size() > domain::event_types.size()) {
    constexpr std::int64_t most = std::ssize(domain::event_types);
    found.add("types", "max_items", fmt::format("must name at most {} types", most), {{"maximum", most}});
    return std::nullopt;
  }
  domain::event_types_wanted types;
  for (const json::value& each : v.elements()) {
    const auto type =
        each.kind() == json::kind::string ? domain::event_type_from_string(each.as_string()) : std::nullopt;
    if (!type) {
      found.add("types", "enum", one_of(domain::event_types, "must be types of events, of: "));
      return std::nullopt;
    }
    types.add(*type);
  }
  return types;
}

inline void write_type_list(json::writer& out, const std::optional<domain::event_types_wanted>& types) {
  out.key("types");
  if (types) {
    out.value(std::int64_t{types->bits()});
  } else {
    out.null();
  }
}

inline result<void> check_url(std::string_view url, const service::webhooks& of) {
  const auto valid = net::check_outgoing_url(url, of.allows_private());
  if (valid) {
    return {};
  }
  error refusal{errc::validation_failed};
  refusal.fields.push_back({"#/url", "url", "must " + valid.error(), {}});
  return std::unexpected(std::move(refusal));
}

}  // namespace detail

/// POST /webhooks
struct create_webhook_body {
  std::string url;
  std::string description;
  std::optional<domain::event_types_wanted> types;
  bool is_active = true;
};

inline const json::object<create_webhook_body>& create_webhook_schema() {
  static const auto schema =
      json::object<create_webhook_body>{"CreateWebhook"}
          .required("url", &create_webhook_body::url, detail::webhook_url, detail::url_help)
          .optional("description", &create_webhook_body::description, detail::webhook_description,
                    detail::webhook_description_help)
          .structured(detail::types_member(),
                      [](const json::value& v, create_webhook_body& body, json::violations& found) {
                        body.types = detail::read_type_list(v, found);
                      })
          .optional("is_active", &create_webhook_body::is_active, json::boolean{}, detail::webhook_active_help);
  return schema;
}

inline std::string canonical(const create_webhook_body& body) {
  std::string text;
  json::writer out{text};
  out.begin_object();
  out.key("url");
  out.value(body.url);
  out.key("description");
  out.value(body.description);
  detail::write_type_list(out, body.types);
  out.key("is_active");
  out.value(body.is_active);
  out.end_object();
  return text;
}

inline net::task<http::response> create_webhook(context& with, call c) {
  auto wish = read_write(create_webhook_schema(), c.request);
  if (!wish) {
    co_return refuse(wish.error(), c.request);
  }
  create_webhook_body& body = wish->body;
  if (const auto valid = detail::check_url(body.url, with.webhooks); !valid) {
    co_return refuse(valid.error(), c.request);
  }
  const auto respond = [r = &c.request](const result<service::made_webhook>& made) {
    return made ? created(*made, fmt::format("/webhooks/{}", made->row.id)) : refuse(made.error(), *r);
  };
  auto under = keyed<service::made_webhook>(c, std::move(wish->key), "create-webhook", 0, canonical(body),
                                            without_secret<service::made_webhook>(respond));
  store::webhook_changes wanted{.url = std::move(body.url),
                                .description = std::move(body.description),
                                .types = body.types,
                                .is_active = body.is_active};
  const auto made = co_await with.webhooks.create(std::move(wanted), std::move(under), c.request.deadline);
  co_return answer_written(made, respond);
}

namespace samples {

inline store::webhook_row webhook() {
  store::webhook_row made;
  made.id = 1;
  made.url = "https://shop.example/hooks/coffer";
  made.description = "unlocks content";
  made.types.add(domain::event_type::purchase_completed);
  made.created_at = some_time;
  return made;
}

/// An event of that type.
inline store::event event_of(domain::event_type type) {
  using enum domain::event_type;
  if (type == user_created) {
    return user();
  }
  if (type == product_changed) {
    return store::product_change{.now = product(), .at = some_time, .stream = -3, .position = 12};
  }
  constexpr std::array rows = {deposit, purchase, use, refund, grant};
  const auto index = static_cast<std::size_t>(type);
  domain::transaction row = rows.at(index % rows.size())();
  if (index >= rows.size()) {
    row.status = domain::transaction_status::failed;
    row.reason = type == deposit_failed    ? errc::balance_limit_exceeded
                 : type == purchase_failed ? errc::insufficient_funds
                 : type == use_failed      ? errc::not_enough_items
                 : type == refund_failed   ? errc::not_refundable
                                           : errc::balance_limit_exceeded;
  }
  return row;
}

inline constexpr std::string_view webhook_secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";

inline store::webhook_delivery delivery() {
  return {.webhook = 1,
          .event_id = "1-7",
          .number = 1,
          .type = domain::event_type::purchase_completed,
          .body = {},
          .attempts = 2,
          .failed_at = some_time,
          .attempted_at = some_time + std::chrono::seconds{5},
          .next_attempt_at = some_time + std::chrono::seconds{305},
          .last_status = 503,
          .last_error = "HTTP status 503"};
}

}  // namespace samples

inline void add_webhook_shapes(shapes& all, const document_facts&) {
  const store::webhook_row row = samples::webhook();
  const store::webhook_delivery deliveries[] = {samples::delivery()};
  all.add(row);
  all.add(service::made_webhook{row, std::string{samples::webhook_secret}});
  all.add(webhook_list{std::span{&row, 1}});
  all.add(deliveries[0]);
  all.add(page<store::webhook_delivery>{deliveries, "1-6f2b0c9d4e1a"});
  net::outgoing_answer answer;
  answer.ended = net::outgoing_answer::end::answered;
  answer.status = 204;
  answer.took = std::chrono::milliseconds{41};
  all.add(webhook_test{answer});
}

inline description describe_create_webhook(const document_facts&) {
  using enum errc;
  return {
      .id = "createWebhook",
      .tag = "Webhooks",
      .summary = "Be told of events",
      .text =
          "Every event from now on is sent to the URL, as the section on webhooks says, signed by Standard Webhooks "
          "1.0. The answer is the only place where the secret is ever shown. A repetition under an Idempotency-Key "
          "shows the same webhook without its secret: rotate it.",
      .headers = {key_parameter(false)},
      .body = body_of(create_webhook_schema(),
                      R"({"url":"https://shop.example/hooks/coffer","types":["purchase.completed"]})"),
      .replies = {{.status = 201,
                   .text = "The webhook.",
                   .shape = "NewWebhook",
                   .headers = {"Location", "Idempotent-Replayed"}}},
      .errors = {invalid_idempotency_key, idempotency_key_reused, too_many_webhooks},
      .add_shapes = add_webhook_shapes};
}

inline net::task<http::response> list_webhooks(context& with, call c) {
  const std::vector<store::webhook_row> all = co_await with.webhooks.list(c.request.deadline);
  co_return ok(webhook_list{all});
}

inline description describe_list_webhooks(const document_facts&) {
  return {.id = "listWebhooks",
          .tag = "Webhooks",
          .summary = "List the webhooks",
          .text = "All of them, by id.",
          .replies = {{.text = "The webhooks.", .shape = "Webhooks"}}};
}

inline net::task<http::response> get_webhook(context& with, call c) {
  const auto found = co_await with.webhooks.find(c.params[0], c.request.deadline);
  co_return found ? ok(*found) : refuse(found.error(), c.request);
}

inline description describe_get_webhook(const document_facts&) {
  using enum errc;
  return {.id = "getWebhook",
          .tag = "Webhooks",
          .summary = "Look a webhook up",
          .text = "Without its secret.",
          .replies = {{.text = "The webhook.", .shape = "Webhook"}},
          .errors = {webhook_not_found}};
}

/// PATCH /webhooks/{webhook_id}
struct change_webhook_body {
  std::optional<std::string> url;
  std::optional<std::string> description;
  std::optional<std::optional<domain::event_types_wanted>> types;
  std::optional<bool> is_active;
};

inline const json::object<change_webhook_body>& change_webhook_schema() {
  static const auto schema = [] {
    json::member_info types = detail::types_member();
    types.null_says = true;
    return json::object<change_webhook_body>{"ChangeWebhook"}
        .optional("url", &change_webhook_body::url, detail::webhook_url, detail::url_help)
        .optional("description", &change_webhook_body::description, detail::webhook_description,
                  detail::webhook_description_help)
        .structured(std::move(types),
                    [](const json::value& v, change_webhook_body& body, json::violations& found) {
                      body.types.emplace(detail::read_type_list(v, found));
                    })
        .optional("is_active", &change_webhook_body::is_active, json::boolean{}, detail::webhook_active_help)
        .at_least_one();
  }();
  return schema;
}

inline std::string canonical(const change_webhook_body& body) {
  std::string text;
  json::writer out{text};
  const auto member = [&out](json::name name, const auto& value) {
    if (value) {
      out.key(name);
      write_canonical(out, value);
    }
  };
  out.begin_object();
  member("url", body.url);
  member("description", body.description);
  if (body.types) {
    detail::write_type_list(out, *body.types);
  }
  member("is_active", body.is_active);
  out.end_object();
  return text;
}

inline net::task<http::response> change_webhook(context& with, call c) {
  auto wish = read_write(change_webhook_schema(), c.request);
  if (!wish) {
    co_return refuse(wish.error(), c.request);
  }
  change_webhook_body& body = wish->body;
  if (body.url) {
    if (const auto valid = detail::check_url(*body.url, with.webhooks); !valid) {
      co_return refuse(valid.error(), c.request);
    }
  }
  const auto respond = [r = &c.request](const result<store::webhook_row>& changed) {
    return changed ? ok(*changed) : refuse(changed.error(), *r);
  };
  auto under =
      keyed<store::webhook_row>(c, std::move(wish->key), "change-webhook", c.params[0], canonical(body), respond);
  store::webhook_changes changes{.url = std::move(body.url),
                                 .description = std::move(body.description),
                                 .types = body.types,
                                 .is_active = body.is_active};
  const auto changed =
      co_await with.webhooks.change(c.params[0], std::move(changes), std::move(under), c.request.deadline);
  co_return answer_written(changed, respond);
}

inline description describe_change_webhook(const document_facts&) {
  using enum errc;
  return {.id = "changeWebhook",
          .tag = "Webhooks",
          .summary = "Change a webhook, switch it off and on",
          .text =
              "Members that are left out stay as they are. One that is switched on goes on where it was: nothing that "
              "happened meanwhile is left out, as long as events are kept. One that was switched off as "
              "`cursor_expired` begins with the oldest event that is kept, one as `cursor_ahead` with the next. "
              "What is already on its way is sent as it was, for up to a second.",
          .headers = {key_parameter(false)},
          .body = body_of(change_webhook_schema(), R"({"is_active":true})"),
          .replies = {{.text = "The webhook as it is now.", .shape = "Webhook", .headers = {"Idempotent-Replayed"}}},
          .errors = {invalid_idempotency_key, idempotency_key_reused, webhook_not_found}};
}

inline net::task<http::response> delete_webhook(context& with, call c) {
  result<std::string> key = idempotency_key(c.request);
  if (!key) {
    co_return refuse(key.error(), c.request);
  }
  const auto respond = [r = &c.request](const result<store::webhook_row>& gone) {
    return gone ? ok(*gone) : refuse(gone.error(), *r);
  };
  auto under = keyed<store::webhook_row>(c, *std::move(key), "delete-webhook", c.params[0], {}, respond);
  const auto gone = co_await with.webhooks.remove(c.params[0], std::move(under), c.request.deadline);
  co_return answer_written(gone, respond);
}

inline description describe_delete_webhook(const document_facts&) {
  using enum errc;
  return {.id = "deleteWebhook",
          .tag = "Webhooks",
          .summary = "Delete a webhook",
          .text = "With its place and all that was still to be sent to it.",
          .headers = {key_parameter(false)},
          .replies = {{.text = "The webhook as it was.", .shape = "Webhook", .headers = {"Idempotent-Replayed"}}},
          .errors = {invalid_idempotency_key, idempotency_key_reused, webhook_not_found}};
}

inline net::task<http::response> rotate_webhook_secret(context& with, call c) {
  result<std::string> key = idempotency_key(c.request);
  if (!key) {
    co_return refuse(key.error(), c.request);
  }
  const auto respond = [r = &c.request](const result<service::made_webhook>& made) {
    return made ? ok(*made) : refuse(made.error(), *r);
  };
  auto under = keyed<service::made_webhook>(c, *std::move(key), "rotate-webhook-secret", c.params[0], {},
                                            without_secret<service::made_webhook>(respond));
  const auto made = co_await with.webhooks.rotate(c.params[0], std::move(under), c.request.deadline);
  co_return answer_written(made, respond);
}

inline description describe_rotate_webhook_secret(const document_facts&) {
  using enum errc;
  return {.id = "rotateWebhookSecret",
          .tag = "Webhooks",
          .summary = "Give a webhook another secret",
          .text =
              "For 24 hours both sign: give the receiver the new one in that time. Rotated again, the one before that "
              "is forgotten at once. The new secret is shown this once.",
          .headers = {key_parameter(false)},
          .replies = {{.text = "The webhook with its new secret.",
                       .shape = "NewWebhook",
                       .headers = {"Idempotent-Replayed"}}},
          .errors = {invalid_idempotency_key, idempotency_key_reused, webhook_not_found}};
}

inline net::task<http::response> test_webhook(context& with, call c) {
  const std::string id = "test-" + std::string{c.request.request_id};
  std::string body =
      fmt::format(R"({{"id":"{}","type":"webhook.test","occurred_at":"{}","data":{{}}}})", id, to_rfc3339(now()));
  const auto said = co_await with.webhooks.test(c.params[0], id, std::move(body), c.request.deadline);
  co_return said ? ok(webhook_test{*said}) : refuse(said.error(), c.request);
}

inline description describe_test_webhook(const document_facts&) {
  using enum errc;
  return {.id = "testWebhook",
          .tag = "Webhooks",
          .summary = "Send a test",
          .text =
              "Sends an event of type `webhook.test`, with empty `data`, now and once, whether or not the webhook is "
              "active, and shows what the receiver answered.",
          .replies = {{.text = "What the receiver answered.", .shape = "WebhookTest"}},
          .errors = {webhook_not_found}};
}

/// POST /webhooks/{webhook_id}/replay
struct replay_body {
  std::optional<std::string> after;
  std::optional<timestamp> from;
  std::optional<timestamp> to;
  std::optional<bool> dead;
};

inline const json::object<replay_body>& replay_schema() {
  static const auto schema =
      json::object<replay_body>{"Replay"}
          .optional("after", &replay_body::after,
                    json::text{1, static_cast<std::size_t>(longest_events_cursor), json::charset::line},
                    "A cursor of the feed: all that is behind it up to now.")
          .optional("from", &replay_body::from, json::date_time{}, "With to: all of this time.")
          .optional("to", &replay_body::to, json::date_time{}, "The first moment that is not meant any more.")
          .optional("dead", &replay_body::dead, json::boolean{}, "True: all deliveries that are dead.")
          .rule([](const replay_body& body, json::violations& found) {
            const int ways = (body.after ? 1 : 0) + (body.from || body.to ? 1 : 0) + (body.dead ? 1 : 0);
            if (ways != 1 || body.from.has_value() != body.to.has_value() || !body.dead.value_or(true)) {
              found.add("", "one_of", "must have either after, or from and to, or dead with true");
            } else if (body.from && *body.to <= *body.from) {
              found.add("to", "after", "must be after from");
            }
          });
  return schema;
}

inline std::string canonical(const replay_body& body) {
  std::string text;
  json::writer out{text};
  out.begin_object();
  out.key("after");
  write_canonical(out, body.after);
  out.key("from");
  write_canonical(out, body.from);
  out.key("to");
  write_canonical(out, body.to);
  out.end_object();
  return text;
}

inline net::task<http::response> replay_webhook(context& with, call c) {
  auto wish = read_write(replay_schema(), c.request);
  if (!wish) {
    co_return refuse(wish.error(), c.request);
  }
  const replay_body& body = wish->body;
  store::webhook_place wanted{.webhook = c.params[0], .is_replay = true, .place = {}, .from = body.from, .to = body.to};
  if (body.after) {
    auto place = read_events_cursor(*body.after);
    if (!place) {
      co_return refuse(place.error(), c.request);
    }
    // Whether it is expired or ahead is told at once.
    const auto found = co_await with.events.read(*place, domain::event_types_wanted::usual(), 1, c.request.deadline);
    if (!found) {
      co_return refuse(found.error(), c.request);
    }
    wanted.place = *std::move(place);
  }
  const auto respond = [r = &c.request](const result<store::webhook_row>& begun) {
    return begun ? http::response{202, http::json_type, rendered(*begun)} : refuse(begun.error(), *r);
  };
  auto under =
      keyed<store::webhook_row>(c, std::move(wish->key), "replay-webhook", c.params[0], canonical(body), respond);
  const auto begun =
      co_await with.webhooks.replay(std::move(wanted), body.dead.value_or(false), std::move(under), c.request.deadline);
  co_return answer_written(begun, respond);
}

inline description describe_replay_webhook(const document_facts&) {
  using enum errc;
  return {.id = "replayWebhook",
          .tag = "Webhooks",
          .summary = "Send events again",
          .text =
              "Those behind a cursor of the feed, those of a time, or those that are dead. They come beside what "
              "happens now, with the ids that they had. A replay takes the place of one that is under way.",
          .headers = {key_parameter(false)},
          .body = body_of(replay_schema(), R"({"from":"2026-11-22T00:00:00Z","to":"2026-11-23T00:00:00Z"})"),
          .replies = {{.status = 202,
                       .text = "It has begun; is_replaying is true until it is through.",
                       .shape = "Webhook",
                       .headers = {"Idempotent-Replayed"}}},
          .errors = {invalid_idempotency_key, idempotency_key_reused, invalid_cursor, cursor_expired, cursor_ahead,
                     webhook_not_found}};
}

inline constexpr query_parameter delivery_status_parameter{
    .name = "status", .type = "string", .text = "Only these.", .names = delivery_statuses};
inline constexpr query_parameter list_deliveries_query[] = {limit_parameter, cursor_parameter,
                                                            delivery_status_parameter};

inline net::task<http::response> list_webhook_deliveries(context& with, call c) {
  list_query query{c.request};
  const std::int64_t limit = query.limit();
  const auto cursor = query.text(cursor_parameter);
  const auto dead = query.parsed(delivery_status_parameter, [](std::string_view name) {
    const auto* const found = std::ranges::find(delivery_statuses, name);
    return found == delivery_statuses.end() ? std::nullopt : std::optional{found != delivery_statuses.begin()};
  });
  if (const auto valid = query.finish(); !valid) {
    co_return refuse(valid.error(), c.request);
  }
  const std::string scope =
      fmt::format("deliveries {} {}", c.params[0], dead ? delivery_statuses[*dead ? 1 : 0] : "all");
  result<std::int64_t> after = cursor ? read_cursor(*cursor, scope) : result<std::int64_t>{0};
  if (!after) {
    co_return refuse(after.error(), c.request);
  }
  if (const auto webhook = co_await with.webhooks.find(c.params[0], c.request.deadline); !webhook) {
    co_return refuse(webhook.error(), c.request);
  }
  // One more than asked for tells whether there is a next page.
  auto found = co_await with.webhooks.deliveries(c.params[0], *after, dead, limit + 1, c.request.deadline);
  std::string next;
  if (std::ssize(found) > limit) {
    found.pop_back();
    next = make_cursor(found.back().number, scope);
  }
  co_return http::response{200, http::json_type, rendered(page<store::webhook_delivery>{found, next})};
}

inline description describe_list_webhook_deliveries(const document_facts&) {
  using enum errc;
  return {.id = "listWebhookDeliveries",
          .tag = "Webhooks",
          .summary = "List what was not accepted",
          .text =
              "Deliveries that were not accepted at once, the oldest first. One that is accepted later is not here any "
              "more; a dead one is for as long as events are kept.",
          .replies = {{.text = "A page.", .shape = "DeliveryPage"}},
          .errors = {invalid_cursor, webhook_not_found}};
}

inline constexpr endpoint webhook_endpoints[] = {
    {.verb = http::method::post,
     .path = "/webhooks",
     .serve = create_webhook,
     .describe = describe_create_webhook,
     .who = access::needs(auth::scope::webhooks_write),
     .body = body_kind::json},
    {.verb = http::method::get,
     .path = "/webhooks",
     .serve = list_webhooks,
     .describe = describe_list_webhooks,
     .who = access::needs(auth::scope::webhooks_write).or_needs(auth::scope::admin_read)},
    {.verb = http::method::get,
     .path = "/webhooks/{webhook_id}",
     .serve = get_webhook,
     .describe = describe_get_webhook,
     .who = access::needs(auth::scope::webhooks_write).or_needs(auth::scope::admin_read)},
    {.verb = http::method::patch,
     .path = "/webhooks/{webhook_id}",
     .serve = change_webhook,
     .describe = describe_change_webhook,
     .who = access::needs(auth::scope::webhooks_write),
     .body = body_kind::json},
    {.verb = http::method::delete_,
     .path = "/webhooks/{webhook_id}",
     .serve = delete_webhook,
     .describe = describe_delete_webhook,
     .who = access::needs(auth::scope::webhooks_write)},
    {.verb = http::method::post,
     .path = "/webhooks/{webhook_id}/rotate-secret",
     .serve = rotate_webhook_secret,
     .describe = describe_rotate_webhook_secret,
     .who = access::needs(auth::scope::webhooks_write)},
    {.verb = http::method::post,
     .path = "/webhooks/{webhook_id}/test",
     .serve = test_webhook,
     .describe = describe_test_webhook,
     .who = access::needs(auth::scope::webhooks_write)},
    {.verb = http::method::post,
     .path = "/webhooks/{webhook_id}/replay",
     .serve = replay_webhook,
     .describe = describe_replay_webhook,
     .who = access::needs(auth::scope::webhooks_write),
     .body = body_kind::json},
    {.verb = http::method::get,
     .path = "/webhooks/{webhook_id}/deliveries",
     .serve = list_webhook_deliveries,
     .describe = describe_list_webhook_deliveries,
     .who = access::needs(auth::scope::webhooks_write).or_needs(auth::scope::admin_read),
     .query = list_deliveries_query}};

}  // namespace coffer::api
