// GET /events: what happened, page by page, by long poll or as a stream.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "coffer/api/accept.hpp"
#include "coffer/api/answers.hpp"
#include "coffer/api/endpoints/products.hpp"
#include "coffer/api/endpoints/users.hpp"
#include "coffer/api/events_cursor.hpp"
#include "coffer/api/openapi/samples.hpp"
#include "coffer/http/body_source.hpp"
#include "coffer/service/events.hpp"

namespace coffer::api {

/// What an event is about, as it was then: one of the three.
struct event_data {
  std::optional<shown_transaction> transaction{};
  std::optional<store::user_row> user{};
  std::optional<domain::product> product{};
};

template <typename Sink>
void members_of(Sink& out, const event_data& of) {
  out.called("EventData", "What the event is about, as it was then: one of the members.");
  out.nested_if_any("transaction", of.transaction, {.text = "Of an event of a transaction."});
  out.nested_if_any("user", of.user, {.text = "Of user.created."});
  out.nested_if_any("product", of.product, {.text = "Of product.changed: the product after the change."});
}

/// An event as JSON shows it.
struct shown_event {
  std::string id;
  domain::event_type type = domain::event_type::purchase_completed;
  std::optional<std::int64_t> user{};
  std::optional<std::int64_t> at{};
  std::optional<std::int64_t> product{};
  timestamp time;
  event_data data;
};

/// Refers to `of`.
inline shown_event show(const store::event& of) {
  if (const auto* row = std::get_if<domain::transaction>(&of)) {
    return {.id = transaction_id(*row),
            .type = domain::type_of(*row).value_or(domain::event_type::purchase_completed),
            .user = row->user.value,
            .at = row->at.value,
            .time = row->created_at,
            .data = {.transaction = shown_transaction{*row, audience::operators}}};
  }
  if (const auto* user = std::get_if<store::user_row>(&of)) {
    return {.id = fmt::format("{}-0", user->id.value),
            .type = domain::event_type::user_created,
            .user = user->id.value,
            .at = 0,
            .time = user->created_at,
            .data = {.user = *user}};
  }
  const auto& change = std::get<store::product_change>(of);
  return {.id = fmt::format("product-{}-{}.{}", change.now.terms.id.value, static_cast<std::uint16_t>(change.stream),
                            change.position),
          .type = domain::event_type::product_changed,
          .product = change.now.terms.id.value,
          .time = change.at,
          .data = {.product = change.now}};
}

template <typename Sink>
void members_of(Sink& out, const shown_event& of) {
  out.called("Event");
  out.member("id", of.id, {.text = "The same whenever the event is told: drop repetitions by it.", .maximum = 64});
  out.member("type", domain::to_string(of.type), {.names = domain::event_types});
  out.if_any("user_id", of.user, {.text = "Whose event it is; product.changed has none.", .minimum = 1});
  out.if_any(
      "version", of.at,
      {.text = "The user's version: 0 is the creation, and each event has the next one. Types that were not asked "
               "for leave gaps.",
       .minimum = 0});
  out.if_any("product_id", of.product, {.text = "Of product.changed.", .minimum = 1});
  out.member("occurred_at", to_rfc3339(of.time), any_time);
  out.nested("data", of.data, {});
}

/// A page of the feed. There is always a next cursor.
struct event_page {
  std::span<const shown_event> items;
  std::string next_cursor;
};

inline constexpr std::int64_t largest_event_page = 1000;

template <typename Sink>
void members_of(Sink& out, const event_page& of) {
  out.called("EventPage");
  out.list("items", of.items, {.text = "Each user's in order.", .maximum = largest_event_page});
  out.member("next_cursor", of.next_cursor,
             {.text = "Goes on behind this page; keep it when its events have been handled.",
              .maximum = longest_events_cursor});
}

/// A line of a stream that is no event.
struct event_cursor {
  std::string next_cursor;
};

template <typename Sink>
void members_of(Sink& out, const event_cursor& of) {
  out.called("EventCursor");
  out.member("next_cursor", of.next_cursor,
             {.text = "Goes on behind the events before this line; keep it when they have been handled.",
              .maximum = longest_events_cursor});
}

inline constexpr std::string_view from_the_end = "latest";

inline constexpr query_parameter after_parameter{
    .name = "after",
    .type = "string",
    .text =
        "next_cursor of the page before; latest: only what happens from now on. Absent: from the oldest event that "
        "is kept on.",
    .longest = longest_events_cursor};
inline constexpr query_parameter events_limit_parameter{
    .name = "limit", .type = "integer", .text = "Events per page.", .maximum = largest_event_page, .initial = 100};
inline constexpr query_parameter types_parameter{
    .name = "types",
    .type = "string",
    .text = "Only events of these types, separated by commas. Absent: all but those of what failed."};
inline constexpr query_parameter wait_parameter{
    .name = "wait",
    .type = "integer",
    .text = "Seconds to wait for an event where there is none yet. A stream ends when none has come for so long.",
    .minimum = 0,
    .maximum = 30,
    .initial = 0};
inline constexpr query_parameter events_query[] = {after_parameter, events_limit_parameter, types_parameter,
                                                   wait_parameter};

namespace detail {

/// Nullopt: one of them is not known, or there is none.
inline std::optional<domain::event_types_wanted> read_types(std::string_view text) {
  domain::event_types_wanted types;
  while (!text.empty()) {
    const auto type = domain::event_type_from_string(take(text, ','));
    if (!type) {
      return std::nullopt;
    }
    types.add(*type);
  }
  return types;
}

/// A request for events, and how far it has come.
class event_reading {
 public:
  event_reading(service::events& from, std::optional<store::events_place> after, domain::event_types_wanted types,
                std::int64_t limit, std::chrono::seconds patience, std::chrono::steady_clock::duration read_time)
      : from_{from}, place_{std::move(after)}, types_{types}, limit_{limit}, patience_{patience}, time_{read_time} {}

  /// The next events; none when there was none until the patience is over, or the server stops. Refusals: as of
  /// service::events::read(), and overloaded.
  net::task<result<std::vector<store::event>>> next() {
    const net::deadline until = net::deadline_in(patience_);
    for (;;) {
      if (from_.stopped() && place_) {
        co_return std::vector<store::event>{};
      }
      result<service::events_page> page = co_await from_.read(place_, types_, limit_, net::deadline_in(time_));
      if (!page) {
        co_return std::unexpected(page.error());
      }
      place_ = std::move(page->place);
      if (!page->events.empty() || patience_ == std::chrono::seconds{0}) {
        co_return std::move(page->events);
      }
      const auto began = std::chrono::steady_clock::now();
      const net::wait_result ended = co_await from_.wait(*place_, until);
      waited_ += std::chrono::steady_clock::now() - began;
      if (ended == net::wait_result::full) {
        co_return std::unexpected(error{errc::overloaded});
      }
      if (ended != net::wait_result::woken) {
        co_return std::vector<store::event>{};
      }
    }
  }

  /// Behind what next() gave last.
  [[nodiscard]] std::string cursor() const { return write_events_cursor(place_.value_or(store::events_place{})); }
  /// How long it waited for events.
  [[nodiscard]] std::chrono::steady_clock::duration waited() const { return waited_; }

 private:
  service::events& from_;
  std::optional<store::events_place> place_;
  domain::event_types_wanted types_;
  std::int64_t limit_;
  std::chrono::seconds patience_;
  std::chrono::steady_clock::duration time_;
  std::chrono::steady_clock::duration waited_{};
};

/// Events as lines, and behind each piece of them a line with the cursor. Holds one piece at a time.
class event_lines final : public http::body_source {
 public:
  event_lines(event_reading from, std::vector<store::event> first)
      : from_{std::move(from)}, events_{std::move(first)} {}

  net::task<std::string> next(net::deadline until) override {
    static_cast<void>(until);  // a stream waits as long as its reader asked for
    std::string piece;
    if (ended_) {
      co_return piece;
    }
    if (std::exchange(begun_, true)) {
      result<std::vector<store::event>> more = co_await from_.next();
      // Where too many wait already, the stream ends, with all that there was.
      if (!more && more.error().code != errc::overloaded) {
        throw std::runtime_error(std::string{"events: "}.append(to_string(more.error().code)));
      }
      events_ = more ? *std::move(more) : std::vector<store::event>{};
    }
    ended_ = events_.empty();
    const std::string cursor = from_.cursor();
    if (ended_ && cursor == told_) {
      co_return piece;
    }
    for (const store::event& each : events_) {
      json::writer out{piece};
      render_sink{out}.object(show(each));
      piece += '\n';
    }
    json::writer out{piece};
    render_sink{out}.object(event_cursor{cursor});
    told_ = cursor;
    piece += '\n';
    co_return piece;
  }

 private:
  event_reading from_;
  std::vector<store::event> events_;
  std::string told_;  ///< the last cursor
  bool begun_ = false;
  bool ended_ = false;
};

/// Events of one piece of a stream.
inline constexpr std::int64_t events_at_a_time = 200;

}  // namespace detail

inline net::task<http::response> list_events(context& with, call c) {
  list_query query{c.request};
  const auto after = query.text(after_parameter);
  const std::int64_t limit = query.integer(events_limit_parameter).value_or(*events_limit_parameter.initial);
  const std::chrono::seconds patience{query.integer(wait_parameter).value_or(0)};
  domain::event_types_wanted types = domain::event_types_wanted::usual();
  if (const auto names = query.text(types_parameter)) {
    const auto wanted = detail::read_types(*names);
    if (!wanted) {
      query.add(types_parameter, "enum",
                detail::one_of(domain::event_types, "must be types separated by commas, of: "));
    }
    types = wanted.value_or(types);
  }
  if (const auto valid = query.finish(); !valid) {
    co_return refuse(valid.error(), c.request);
  }
  std::optional<store::events_place> place;
  if (after == from_the_end) {
    place = co_await with.events.end(c.request.deadline);
  } else if (after) {
    auto read = read_events_cursor(*after);
    if (!read) {
      co_return refuse(read.error(), c.request);
    }
    place = *std::move(read);
  }
  const std::string accept = c.request.list("Accept").value_or("");
  const int as_lines = accept_weight(accept, ndjson_type);
  const bool streams = as_lines > 0 && as_lines >= accept_weight(accept, http::json_type);
  detail::event_reading reading{with.events, std::move(place),
                                types,       streams ? std::min(limit, detail::events_at_a_time) : limit,
                                patience,    c.request.deadline - c.request.received};
  result<std::vector<store::event>> events = co_await reading.next();
  if (!events) {
    co_return refuse(events.error(), c.request);
  }
  http::response answer{200};
  answer.add("Vary", "Accept");
  answer.waited = reading.waited();
  if (streams) {
    answer.content_type = ndjson_type;
    answer.source = std::make_shared<detail::event_lines>(std::move(reading), *std::move(events));
    co_return answer;
  }
  std::vector<shown_event> items;
  items.reserve(events->size());
  for (const store::event& each : *events) {
    items.push_back(show(each));
  }
  answer.content_type = http::json_type;
  answer.body = rendered(event_page{items, reading.cursor()});
  co_return answer;
}

inline void add_event_shapes(shapes& all, const document_facts&) {
  const store::event bought = samples::purchase();
  const shown_event example = show(bought);
  shown_event whole = example;
  whole.product = 1;
  whole.data.user = samples::user();
  whole.data.product = samples::product();
  all.add(whole.data, example.data);
  all.add(whole, example);
  const shown_event items[] = {whole}, shown[] = {example};
  const std::string cursor = write_events_cursor({.read = {{std::int16_t{1}, {7, 1}}}, .begun = {}});
  all.add(event_page{items, cursor}, event_page{shown, cursor});
  all.add(event_cursor{cursor});
  all.add("EventLine",
          fmt::format(R"({{"oneOf":[{{"$ref":"{}"}},{{"$ref":"{}"}}]}})", schema_sink::reference("Event"),
                      schema_sink::reference("EventCursor")),
          rendered(example));
}

inline description describe_list_events(const document_facts&) {
  using enum errc;
  return {
      .id = "listEvents",
      .tag = "Events",
      .summary = "Learn what happened",
      .text =
          "Each user's events in the order of their versions, none lost and none that did not happen; between users "
          "there is no order. Ask again with `next_cursor`, which is there on every page, an empty one too. As "
          "`application/x-ndjson` an event is a line, and lines with `next_cursor` come in between and at the end: "
          "each says where to go on behind the events before it.",
      .replies = {{.text = "A page.", .shape = "EventPage", .headers = {"Vary"}},
                  {.text = "A stream.", .shape = "EventLine", .headers = {"Vary"}, .media = ndjson_type}},
      .errors = {invalid_cursor, cursor_expired, cursor_ahead, overloaded},
      .add_shapes = add_event_shapes};
}

inline constexpr endpoint events_endpoint{.verb = http::method::get,
                                          .path = "/events",
                                          .serve = list_events,
                                          .describe = describe_list_events,
                                          .who = access::needs(auth::scope::events_read),
                                          .query = events_query};

}  // namespace coffer::api
