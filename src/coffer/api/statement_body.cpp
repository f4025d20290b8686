#include "coffer/api/statement_body.hpp"

#include "coffer/api/accept.hpp"
#include "coffer/api/actor.hpp"
#include "coffer/api/csv.hpp"
#include "coffer/api/samples.hpp"
#include "coffer/json/writer.hpp"

namespace coffer::api {

namespace {

/// A row as a statement shows it.
struct statement_line {
  const store::statement_row& line;
  audience to = audience::player;
  std::int64_t change = 0;
};

}  // namespace

// Found by its first argument, hence not in the unnamed namespace.
template <typename Sink>
static void members_of(Sink& out, const statement_line& of) {
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

namespace {

constexpr std::string_view csv_header =
    "version,created_at,kind,status,product_id,product_name,quantity,amount,change,balance_after,reason,"
    "idempotency_key,request_id,refunded_version,note,direction,missing,note_public,actor\r\n";

void append_any(csv_writer& out, std::optional<std::int64_t> number) {
  if (number) {
    out.number(*number);
  } else {
    out.empty();
  }
}

void append_csv(std::string& to, const statement_line& of) {
  const store::statement_row& line = of.line;
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

}  // namespace

void add_statement_shape(shapes& all) {
  store::statement_row sample;
  sample.row = samples::purchase();
  sample.product_name = samples::product().name;
  const statement_line item{sample, audience::operators, -sample.row.amount.value};
  all.add(item);
  const std::string items = all.find("StatementItem")->example;
  all.add(
      "Statement",
      R"({"type":"object","properties":{"user_id":{"type":"integer","format":"int64","minimum":1},)"
      R"("opening_balance":{"type":"integer","format":"int64","minimum":0,"description":"Before the first item."},)"
      R"("closing_balance":{"type":"integer","format":"int64","minimum":0,"description":"After the last item."},)"
      R"("items":{"type":"array","items":{"$ref":"#/components/schemas/StatementItem"}},)"
      R"("next_cursor":{"type":["string","null"],"maxLength":64,"description":"Goes on behind a limit; null at the end."}},)"
      R"("required":["user_id","opening_balance","closing_balance","items","next_cursor"],)"
      R"("additionalProperties":false})",
      R"({"user_id":1,"opening_balance":10000,"closing_balance":9800,"items":[)" + items + R"(],"next_cursor":null})");
}

statement_format accepted_format(std::string_view accept) {
  const int csv = accept_weight(accept, "text/csv");
  return csv > 0 && csv >= accept_weight(accept, "application/json") ? statement_format::csv : statement_format::json;
}

statement_body::statement_body(service::statements& from, service::statement what, statement_format how, bool marked,
                               std::string next_cursor, audience to)
    : from_{from},
      what_{what},
      how_{how},
      marked_{marked},
      next_cursor_{std::move(next_cursor)},
      to_{to},
      at_{what.range.first},
      balance_{what.opening} {}

net::task<std::string> statement_body::next(net::deadline until) {
  std::string piece;
  if (ended_) {
    co_return piece;
  }
  if (!begun_) {
    begin(piece);
  }
  if (at_ <= what_.range.last) {
    const std::vector<store::statement_row> rows = co_await from_.read(what_, at_, until);
    for (const store::statement_row& line : rows) {
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

void statement_body::begin(std::string& out) const {
  if (how_ == statement_format::csv) {
    out += marked_ ? "\xEF\xBB\xBF" : "";
    out += csv_header;
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

void statement_body::append(std::string& out, const store::statement_row& line) {
  const std::int64_t change = line.row.balance_after.value - balance_.value;
  if (how_ == statement_format::csv) {
    append_csv(out, {line, to_, change});
  } else {
    if (at_ != what_.range.first) {
      out += ',';
    }
    json::writer json{out};
    render_sink{json}.object(statement_line{line, to_, change});
  }
  balance_ = line.row.balance_after;
  at_ = version{line.row.at.value + 1};
}

void statement_body::end(std::string& out) const {
  if (how_ == statement_format::csv) {
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

}  // namespace coffer::api
