// GET /users/{user_id}/statement: a user's account statement as JSON or CSV, made page by page while it is sent.
#pragma once

#include <array>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "coffer/api/accept.hpp"
#include "coffer/api/answers.hpp"
#include "coffer/api/csv.hpp"
#include "coffer/api/cursor.hpp"
#include "coffer/api/openapi/samples.hpp"
#include "coffer/http/body_source.hpp"
#include "coffer/service/account_statements.hpp"

namespace coffer::api {

inline constexpr std::string_view csv_type = "text/csv; charset=utf-8; header=present";

inline constexpr std::array<std::string_view, 2> account_statement_formats = {"json", "csv"};

inline constexpr query_parameter from_parameter{
    .name = "from", .type = "string", .text = "RFC 3339: rows of this time and later.", .format = "date-time"};
inline constexpr query_parameter to_parameter{
    .name = "to", .type = "string", .text = "RFC 3339: rows before this time.", .format = "date-time"};
inline constexpr query_parameter rows_parameter{
    .name = "limit", .type = "integer", .text = "At most so many rows. Absent: all of the period."};
inline constexpr query_parameter format_parameter{.name = "format",
                                                  .type = "string",
                                                  .text = "Absent: what the header Accept prefers.",
                                                  .names = account_statement_formats};

inline constexpr query_parameter bom_parameter{
    "bom", "boolean", "Of CSV: whether it begins with a byte order mark, which Excel needs to read UTF-8."};

inline constexpr query_parameter account_statement_query[] = {from_parameter,   to_parameter,     rows_parameter,
                                                              cursor_parameter, format_parameter, bom_parameter};

/// The formats of an account statement.
enum class account_statement_format : std::uint8_t { json, csv };

/// The format that the value of Accept asks for: CSV when it names text/csv and does not prefer JSON.
inline account_statement_format accepted_format(std::string_view accept) {
  const int csv = accept_weight(accept, "text/csv");
  return csv > 0 && csv >= accept_weight(accept, "application/json") ? account_statement_format::csv
                                                                     : account_statement_format::json;
}

/// A row, as JSON shows it.
struct account_statement_line {
  const store::account_statement_row& line;
  audience to = audience::player;
  std::int64_t change = 0;
};

template <typename Sink>
void members_of(Sink& out, const account_statement_line& of) {
  const domain::transaction& row = of.line.row;
  const shown_transaction shown{row, of.to};
  out.called("StatementItem");
  out.member("version", row.at.value, {.minimum = 1, .maximum = max_json_integer});
  out.member("created_at", to_rfc3339(row.created_at), {.format = "date-time"});
  out.member("kind", to_string(row.kind), {.names = transaction_kinds});
  out.member("status", to_string(row.status), {.names = transaction_statuses});
  out.nullable("product_id", row.product ? std::optional{row.product->value} : std::nullopt, {.minimum = 1});
  out.nullable("product_name", of.line.product_name, {.text = "The product's name now.", .maximum = longest_name});
  out.member("quantity", row.quantity, {.minimum = 0});
  out.member("amount", on_the_wire(row.amount), {.text = "Whole credits that moved, or would have.", .minimum = 0});
  out.member("change", of.change, {.text = "What the row did to the balance."});
  out.member("balance_after", row.balance_after.value, {.text = "The running balance.", .minimum = 0});
  out.nullable("reason", domain::reason_of(row), {.text = "Error code of a failed row.", .maximum = longest_code});
  out.nullable("idempotency_key", row.idempotency_key,
               {.text = "The key of the request, without quotes.", .maximum = longest_key});
  out.member("request_id", row.request_id,
             {.text = "X-Request-Id of the request that was decided.", .maximum = longest_request_id});
  out.nested_or_null("actor", shown_actor_of(row), actor_note);
  out.nullable("refunded_version", refunded_version(row),
               {.text = "Of a refund: the version of the purchase or deposit."});
  out.nullable("note", shown.note(),
               {.text = "Of a grant or refund: the operator's reason. Players see it only if it is public.",
                .maximum = longest_reason});
  out.if_any("direction", grant_direction(row),
             {.text = "Of a grant: whether it gives or takes.", .names = grant_directions});
  out.if_any("missing", missing_of(row),
             {.text = "Of a purchase's refund: units that had been used up and were paid back all the same. Of a "
                      "deposit's: credits that had been spent and could not be taken back.",
              .minimum = 0});
  out.if_any("note_public", shown.note_public(),
             {.text = "Of a grant or refund: whether players see the note. Not shown to players."});
}

namespace detail {

inline constexpr std::string_view csv_header =
    "version,created_at,kind,status,product_id,product_name,quantity,amount,change,balance_after,reason,"
    "idempotency_key,request_id,refunded_version,note,direction,missing,note_public,actor\r\n";

inline void append_any(csv_writer& out, std::optional<std::int64_t> number) {
  if (number) {
    out.number(*number);
  } else {
    out.empty();
  }
}

inline void append_csv(std::string& to, const account_statement_line& of) {
  const store::account_statement_row& line = of.line;
  const domain::transaction& row = line.row;
  csv_writer out{to};
  out.number(row.at.value);
  out.text(to_rfc3339(row.created_at));
  out.text(to_string(row.kind));
  out.text(to_string(row.status));
  append_any(out, row.product ? std::optional{row.product->value} : std::nullopt);
  out.text(line.product_name);
  out.number(row.quantity);
  out.number(on_the_wire(row.amount));
  out.number(of.change);
  out.number(row.balance_after.value);
  out.text(domain::reason_of(row));
  out.text(row.idempotency_key);
  out.text(row.request_id);
  append_any(out, refunded_version(row));
  const shown_transaction shown{row, of.to};
  out.text(shown.note());
  out.text(grant_direction(row).value_or(""));
  append_any(out, missing_of(row));
  const std::optional<bool> is_public = shown.note_public();
  out.text(!is_public ? "" : *is_public ? "true" : "false");
  out.text(row.by.is_known() ? spell(row.by) : std::string{});
  out.end_record();
}

inline std::optional<account_statement_format> format_from_string(std::string_view text) {
  if (text == "json") {
    return account_statement_format::json;
  }
  return text == "csv" ? std::optional{account_statement_format::csv} : std::nullopt;
}

inline std::string spell_time(std::optional<timestamp> time) { return time ? to_rfc3339(*time) : "any"; }

}  // namespace detail

/// A statement as JSON or CSV. Holds one page of rows at a time.
class account_statement_body final : public http::body_source {
 public:
  /// `next_cursor` is empty at the end of the period; `marked`: CSV with a byte order mark. `from` must outlive the
  /// source.
  account_statement_body(service::account_statements& from, service::account_statement what,
                         account_statement_format how, bool marked, std::string next_cursor, audience to);

  net::task<std::string> next(net::deadline until) override;

 private:
  void begin(std::string& out) const;
  void append(std::string& out, const store::account_statement_row& line);
  void end(std::string& out) const;

  service::account_statements& from_;
  service::account_statement what_;
  account_statement_format how_;
  bool marked_;
  std::string next_cursor_;
  audience to_;
  version at_;               ///< of the next row
  domain::credits balance_;  ///< before it
  bool begun_ = false;
  bool ended_ = false;
};

inline account_statement_body::account_statement_body(service::account_statements& from,
                                                      service::account_statement what, account_statement_format how,
                                                      bool marked, std::string next_cursor, audience to)
    : from_{from},
      what_{what},
      how_{how},
      marked_{marked},
      next_cursor_{std::move(next_cursor)},
      to_{to},
      at_{what.range.first},
      balance_{what.opening} {}

inline net::task<std::string> account_statement_body::next(net::deadline until) {
  std::string piece;
  if (ended_) {
    co_return piece;
  }
  if (!begun_) {
    begin(piece);
  }
  if (at_ <= what_.range.last) {
    const std::vector<store::account_statement_row> rows = co_await from_.read(what_, at_, until);
    for (const store::account_statement_row& line : rows) {
      append(piece, line);
    }
  }
  begun_ = true;
  if (at_ > what_.range.last) {
    end(piece);
    ended_ = true;
  }
  co_return piece;
}

inline void account_statement_body::begin(std::string& out) const {
  if (how_ == account_statement_format::csv) {
    out += marked_ ? "\xEF\xBB\xBF" : "";
    out += detail::csv_header;
    return;
  }
  json::writer json{out};
  json.begin_object();
  json.key("user_id");
  json.value(what_.user.value);
  json.key("opening_balance");
  json.value(what_.opening.value);
  json.key("closing_balance");
  json.value(what_.closing.value);
  json.key("items");
  json.begin_array();
}

inline void account_statement_body::append(std::string& out, const store::account_statement_row& line) {
  const std::int64_t change = line.row.balance_after.value - balance_.value;
  if (how_ == account_statement_format::csv) {
    detail::append_csv(out, {line, to_, change});
  } else {
    if (at_ != what_.range.first) {
      out += ',';
    }
    json::writer json{out};
    render_sink{json}.object(account_statement_line{line, to_, change});
  }
  balance_ = line.row.balance_after;
  at_ = version{line.row.at.value + 1};
}

inline void account_statement_body::end(std::string& out) const {
  if (how_ == account_statement_format::csv) {
    return;
  }
  out += R"(],"next_cursor":)";
  if (next_cursor_.empty()) {
    out += "null}";
  } else {
    json::append_string(out, next_cursor_);
    out += '}';
  }
}

inline net::task<http::response> get_account_statement(context& with, call c) {
  list_query query{c.request};
  service::account_statement_query wanted;
  wanted.user = user_id{c.params[0]};
  wanted.from = query.time(from_parameter);
  wanted.to = query.time(to_parameter);
  if (wanted.from && wanted.to && *wanted.to < *wanted.from) {
    query.add(to_parameter, "range", "must not be before from");
  }
  wanted.limit = query.integer(rows_parameter);
  const auto cursor = query.text(cursor_parameter);
  const auto format = query.parsed(format_parameter, detail::format_from_string)
                          .value_or(accepted_format(c.request.list("Accept").value_or("")));
  const bool marked = query.boolean(bom_parameter).value_or(false);
  if (marked && format != account_statement_format::csv) {
    query.add(bom_parameter, "needs_csv", "goes with CSV alone: ask for format=csv");
  }
  if (const auto valid = query.finish(); !valid) {
    co_return refuse(valid.error(), c.request);
  }
  const std::string scope = fmt::format("statement {} {} {}", wanted.user.value, detail::spell_time(wanted.from),
                                        detail::spell_time(wanted.to));
  if (cursor) {
    const auto after = read_cursor(*cursor, scope);
    if (!after) {
      co_return refuse(after.error(), c.request);
    }
    wanted.after = version{*after};
  }
  const auto found = co_await with.account_statements.open(wanted, c.request.deadline);
  if (!found) {
    co_return refuse(found.error(), c.request);
  }
  const std::string next = found->more ? make_cursor(found->range.last.value, scope) : std::string{};
  http::response answer{200};
  answer.content_type = http::json_type;
  answer.add("Vary", "Accept");
  if (format == account_statement_format::csv) {
    answer.content_type = csv_type;
    answer.add("Content-Disposition", fmt::format("attachment; filename=\"statement-{}.csv\"", wanted.user.value));
    if (!next.empty()) {
      answer.add("X-Next-Cursor", next);
    }
  }
  answer.source = std::make_shared<account_statement_body>(with.account_statements, *found, format, marked, next,
                                                           audience_of(c.by.who));
  co_return answer;
}

/// A whole one. It is sent piece by piece, see account_statement_body.
struct account_statement {
  user_id user;
  domain::credits opening;
  domain::credits closing;
  std::span<const account_statement_line> items;
  std::string_view next_cursor;
};

template <typename Sink>
void members_of(Sink& out, const account_statement& of) {
  out.called("Statement");
  out.member("user_id", of.user.value, shown_id);
  out.member("opening_balance", of.opening.value, {.text = "Before the first item.", .minimum = 0});
  out.member("closing_balance", of.closing.value, {.text = "After the last item.", .minimum = 0});
  out.list("items", of.items, {});
  out.nullable("next_cursor", of.next_cursor,
               {.text = "Goes on behind a limit; null at the end.", .maximum = longest_cursor});
}

inline void add_account_statement_shapes(shapes& all, const document_facts&) {
  store::account_statement_row sample;
  sample.row = samples::purchase();
  sample.product_name = samples::product().name;
  const account_statement_line items[] = {{sample, audience::operators, -sample.row.amount.value}};
  all.add(items[0]);
  all.add(account_statement{user_id{1}, domain::credits{10000}, domain::credits{9800}, items, {}});
}

inline description describe_get_account_statement(const document_facts&) {
  using enum errc;
  return {
      .id = "getStatement",
      .tag = "Users",
      .summary = "A user's statement",
      .text =
          "Every row of a period with what it changed and the balance behind it, oldest first, streamed. A body "
          "that ends without its last chunk is not whole.",
      .replies = {{.text = "The statement.", .shape = "Statement", .headers = {"Vary"}},
                  {.text = "The statement.", .headers = {"Content-Disposition", "X-Next-Cursor"}, .media = "text/csv"}},
      .errors = {invalid_cursor, user_not_found},
      .add_shapes = add_account_statement_shapes};
}

inline constexpr endpoint account_statement_endpoint{
    .verb = http::method::get,
    .path = "/users/{user_id}/statement",
    .serve = get_account_statement,
    .describe = describe_get_account_statement,
    .who = access::needs(auth::scope::inventory_read, subject_place::path),
    .query = account_statement_query};

}  // namespace coffer::api
