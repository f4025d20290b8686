// POST /grants/bulk: grants, one per line of an upload, answered while it arrives.
#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "coffer/api/answers.hpp"
#include "coffer/api/endpoints/grant.hpp"
#include "coffer/api/held_answers.hpp"
#include "coffer/api/line_reader.hpp"
#include "coffer/api/outcome.hpp"
#include "coffer/api/upload_slots.hpp"
#include "coffer/base/exception.hpp"
#include "coffer/base/log.hpp"
#include "coffer/http/body_source.hpp"
#include "coffer/http/body_stream.hpp"
#include "coffer/net/task_group.hpp"
#include "coffer/net/wait_queue.hpp"

namespace coffer::api {

/// When and how an upload is answered.
enum class answer_mode : std::uint8_t { all, failures, streamed };
/// As `?answers=` spells them.
inline constexpr std::array<std::string_view, 3> answer_modes = {"all", "failures", "streamed"};

inline constexpr query_parameter answers_parameter{
    "answers", "string",
    "`all`, the default: a line for each, once the upload has been read. `failures`: likewise, but only of what was "
    "not granted. `streamed`: a line for each as soon as it is decided, for clients that read while they send.",
    answer_modes};

inline std::optional<answer_mode> answer_mode_from_string(std::string_view text) noexcept {
  const auto* const found = std::ranges::find(answer_modes, text);
  return found == answer_modes.end() ? std::nullopt
                                     : std::optional{static_cast<answer_mode>(found - answer_modes.begin())};
}

inline constexpr query_parameter bulk_grants_query[] = {answers_parameter};

/// One line of the upload.
struct bulk_line : grant_body {
  claimed_user_id user;
  std::string idempotency_key;
};

inline const json::object<bulk_line>& bulk_line_schema() {
  static const auto schema =
      with_grant_members(json::object<bulk_line>{"BulkGrantLine"}.required("user_id", &bulk_line::user, any_id,
                                                                           "Who is given or taken from."))
          .required("idempotency_key", &bulk_line::idempotency_key, any_body_key,
                    "As the header Idempotency-Key of the single grant, without quotes around it.")
          .rule([](const bulk_line& line, json::violations& found) { check_body_key(line.idempotency_key, found); });
  return schema;
}

/// What became of the lines of an upload: the last line of its answer.
struct bulk_summary {
  std::size_t lines = 0;     ///< answered, each counted once below
  std::size_t granted = 0;   ///< by this upload
  std::size_t replayed = 0;  ///< granted before, under the same key
  std::size_t failed = 0;
  std::size_t omitted = 0;  ///< of these lines: answers that are not shown
  bool complete = false;    ///< the upload was taken to its end
};

template <typename Sink>
void members_of(Sink& out, const bulk_summary& s) {
  out.called("BulkGrantSummary");
  out.member("lines", s.lines, {.minimum = 0});
  out.member("granted", s.granted, {.text = "By this upload.", .minimum = 0});
  out.member("replayed", s.replayed, {.text = "Granted before, under the same keys.", .minimum = 0});
  out.member("failed", s.failed, {.minimum = 0});
  out.member("omitted", s.omitted,
             {.text = "Of these lines: answers that are not shown, because only failures were asked for or the server "
                      "had no room for more.",
              .minimum = 0});
  out.member("complete", s.complete, {.text = "Whether the upload was taken to its end."});
}

/// One line of the answer.
struct bulk_answer {
  std::optional<std::size_t> line;
  std::optional<shown_outcome> what;
  std::optional<bool> replayed;
  std::optional<bulk_summary> summary;
};

template <typename Sink>
void members_of(Sink& out, const bulk_answer& of) {
  out.called("BulkGrantAnswer",
             "One line of the answer: what became of one line of the upload, or, last, the summary.");
  out.if_any("line", of.line, {.text = "Number of the line in the upload, blank ones counted.", .minimum = 1});
  outcome_members<false>(out, of.what, "Of the single grant's answer.");
  out.if_any("replayed", of.replayed, {.text = "Whether it had been decided before."});
  out.nested_if_any("summary", of.summary, {});
  out.one_of({{"line", "status", "replayed", "receipt"}, {"line", "status", "replayed", "problem"}, {"summary"}});
}

namespace detail {

/// A piece of the answer is sent when it has grown to this, in bytes.
inline constexpr std::size_t enough = 64 * 1024;

struct bulk_metrics {
  metrics::counter granted;
  metrics::counter replayed;
  metrics::counter failed;

  static const bulk_metrics& get() {
    static const auto lines = [](std::string_view outcome) {
      return metrics::make_counter("coffer_bulk_lines_total", "Lines of bulk uploads, by outcome",
                                   {{"outcome", std::string{outcome}}});
    };
    static const bulk_metrics instance{
        .granted = lines("granted"), .replayed = lines("replayed"), .failed = lines("failed")};
    return instance;
  }
};

}  // namespace detail

/// Reads grants, one per line, hands them to the lanes and gives an answer per line, in order. At most `window` lines
/// are neither answered nor unread. Malformed lines are answered like refused ones. What ends the upload before its end
/// is said in a last problem line, which belongs to the first line that was not taken; the summary follows in any case.
class bulk_grants final : public http::body_source {
 public:
  static constexpr std::size_t window = 256;

  /// Whether the sender may go on: asked before anything of the upload is taken. May throw pg::error.
  using permission = std::function<net::task<result<void>>()>;

  /// `from` is null for an upload without lines. `slot` is kept until the last line has been decided.
  bulk_grants(service::wallet& with, net::task_group& tasks, http::body_stream* from, std::string request_id,
              auth::principal by, std::shared_ptr<void> slot, permission allowed, const net::executor& ex);
  ~bulk_grants() override;

  /// Gives out only such answers from now on.
  void show(shown_answers which) { shown_ = which; }

  net::task<std::string> next(net::deadline until) override;

 private:
  struct state;
  struct entry;

  static net::task<> decide(std::shared_ptr<state> s, entry& e, bulk_line line, net::deadline until);
  static void answer(state& s, entry& e, const domain::verdict& v);
  static std::string answer_line(std::size_t number, const domain::verdict& v, std::string_view request_id);
  net::task<> check_permission();
  void take_lines(std::chrono::steady_clock::duration time);
  bool take_piece();
  void begin_line(std::string& text, net::deadline until);
  void end_early(errc code, std::string detail);
  [[nodiscard]] bool shows(const entry& e) const;
  void collect(std::string& out);
  void finish(std::string& out);

  net::task_group& tasks_;
  http::body_stream* from_;
  permission allowed_;
  line_reader lines_;
  std::string line_;
  bool body_ended_ = false;  ///< no more pieces will come
  bool input_over_ = false;  ///< no more lines will come
  std::string early_end_;    ///< the last problem line
  bool ended_ = false;
  shown_answers shown_ = shown_answers::all;
  std::shared_ptr<state> state_;  ///< shared with the lines that are being decided
};

/// A line whose answer has not been sent.
struct bulk_grants::entry {
  std::size_t number = 0;
  std::string text;  ///< its answer; empty while it is being decided
  bool refused = false;
};

/// Outlives the source while lines are being decided: a client may go away in between.
struct bulk_grants::state {
  state(service::wallet& w, std::string id, auth::principal who, std::shared_ptr<void> s, const net::executor& ex)
      : wallet{w}, request_id{std::move(id)}, by{who}, slot{std::move(s)}, changed{ex, 1} {}

  service::wallet& wallet;
  std::string request_id;
  auth::principal by;  ///< who sends the upload
  std::shared_ptr<void> slot;
  std::deque<entry> entries;  ///< in the order of the upload; only its ends change, so that entries stay in place
  net::wait_queue changed;    ///< the first entry has got its answer
  bulk_summary total;
};

inline bulk_grants::bulk_grants(service::wallet& with, net::task_group& tasks, http::body_stream* from,
                                std::string request_id, auth::principal by, std::shared_ptr<void> slot,
                                permission allowed, const net::executor& ex)
    : tasks_{tasks},
      from_{from},
      allowed_{std::move(allowed)},
      body_ended_{from == nullptr},
      input_over_{from == nullptr},
      state_{std::make_shared<state>(with, std::move(request_id), by, std::move(slot), ex)} {
  state_->total.complete = from == nullptr;
}

inline bulk_grants::~bulk_grants() = default;

inline net::task<std::string> bulk_grants::next(net::deadline until) {
  using clock = std::chrono::steady_clock;
  const auto time = until - clock::now();
  std::string out;
  while (!ended_ && out.empty()) {
    // A client that sends as fast as it is served must not keep the thread from its other requests.
    co_await asio::post(co_await asio::this_coro::executor, net::use_task);
    if (!input_over_) {
      co_await check_permission();
    }
    take_lines(time);
    collect(out);
    if (!out.empty()) {
      break;
    }
    if (!state_->entries.empty()) {
      // Every line is decided in time, and what arrives meanwhile is read right after the first of them.
      co_await state_->changed.wait(clock::now() + time);
    } else if (input_over_) {
      finish(out);
    } else {
      co_await from_->wait();
    }
  }
  co_return out;
}

/// An upload may last for hours; its sender's key may be revoked or expire meanwhile.
inline net::task<> bulk_grants::check_permission() {
  result<void> allowed = std::unexpected(error{errc::unavailable, "The key could not be looked up."});
  try {
    allowed = co_await allowed_();
  } catch (const pg::error& failure) {
    log::warn("bulk upload ended", {{"request_id", std::string_view{state_->request_id}}, {"message", failure.what()}});
  }
  if (!allowed) {
    end_early(allowed.error().code, std::move(allowed.error().detail));
  }
}

/// Begins what has arrived, as far as the window allows.
inline void bulk_grants::take_lines(std::chrono::steady_clock::duration time) {
  while (!input_over_ && state_->entries.size() < window) {
    switch (lines_.next(line_, body_ended_)) {
      case line_reader::status::line:
        begin_line(line_, std::chrono::steady_clock::now() + time);
        break;
      case line_reader::status::too_long:
        end_early(errc::content_too_large, "The line is longer than 16 KiB.");
        break;
      case line_reader::status::none:
        if (body_ended_) {
          input_over_ = true;
          state_->total.complete = true;
        } else if (!take_piece()) {
          return;
        }
        break;
    }
  }
}

/// Fetches the next piece of the upload. False when there is none now.
inline bool bulk_grants::take_piece() {
  switch (from_->take(lines_.piece())) {
    case http::body_stream::status::nothing:
      lines_.fed();
      return false;
    case http::body_stream::status::data:
      break;
    case http::body_stream::status::end:
      body_ended_ = true;
      break;
    case http::body_stream::status::stopped:
      end_early(errc::unavailable, "The server stops. Send the upload again: what was granted is not granted twice.");
      break;
    case http::body_stream::status::failed:
      end_early(from_->failure().code, from_->failure().detail);
      break;
  }
  lines_.fed();
  return true;
}

inline void bulk_grants::end_early(errc code, std::string detail) {
  input_over_ = true;
  early_end_ = answer_line(lines_.number() + 1, std::unexpected(error{code, std::move(detail)}), state_->request_id);
}

inline void bulk_grants::begin_line(std::string& text, net::deadline until) {
  entry& e = state_->entries.emplace_back();
  e.number = lines_.number();
  result<bulk_line> line = bulk_line_schema().read(text);
  if (line) {
    tasks_.spawn("bulk grant", decide(state_, e, *std::move(line), until));
  } else {
    answer(*state_, e, std::unexpected(std::move(line).error()));
  }
}

inline net::task<> bulk_grants::decide(std::shared_ptr<state> s, entry& e, bulk_line line, net::deadline until) {
  domain::verdict v = std::unexpected(error{errc::internal});
  try {
    const result<user_id> user = gate::admits(s->by, line.user);
    if (user) {
      request_identity who{s->request_id, actor_of(s->by), std::move(line.idempotency_key)};
      domain::command made = grant_command(std::move(who), *user, line);
      v = co_await s->wallet.run(std::move(made), until);
    } else {
      v = std::unexpected(user.error());
    }
  } catch (const std::exception& failure) {
    log::error("bulk grant failed", {{"request_id", std::string_view{s->request_id}},
                                     {"line", static_cast<std::int64_t>(e.number)},
                                     {"message", failure.what()}});
  }
  answer(*s, e, v);
  if (&s->entries.front() == &e) {
    s->changed.wake_one();
  }
}

inline std::string bulk_grants::answer_line(std::size_t number, const domain::verdict& v, std::string_view request_id) {
  bulk_answer made;
  made.line = number;
  made.what.emplace(v, request_id, audience::operators);
  made.replayed = v && v->replayed;
  return rendered(made) + '\n';
}

inline void bulk_grants::answer(state& s, entry& e, const domain::verdict& v) {
  const detail::bulk_metrics& count = detail::bulk_metrics::get();
  const bool done = v && v->row.status == domain::transaction_status::completed;
  const bool replayed = v && v->replayed;
  ++s.total.lines;
  e.refused = !done;
  if (!done) {
    ++s.total.failed;
    count.failed.add();
  } else if (replayed) {
    ++s.total.replayed;
    count.replayed.add();
  } else {
    ++s.total.granted;
    count.granted.add();
  }
  e.text = answer_line(e.number, v, s.request_id);
}

inline bool bulk_grants::shows(const entry& e) const {
  return shown_ == shown_answers::all || (shown_ == shown_answers::refusals && e.refused);
}

/// Moves the answers that are ready, up to the first that is not, to `out`.
inline void bulk_grants::collect(std::string& out) {
  std::deque<entry>& entries = state_->entries;
  while (!entries.empty() && !entries.front().text.empty() && out.size() < detail::enough) {
    if (shows(entries.front())) {
      out += entries.front().text;
    } else {
      ++state_->total.omitted;
      held_metrics::get().omitted.add();
    }
    entries.pop_front();
  }
}

inline void bulk_grants::finish(std::string& out) {
  out += early_end_;
  bulk_answer last;
  last.summary = state_->total;
  out += rendered(last);
  out += '\n';
  ended_ = true;
}

namespace detail {

/// Whether the sender of a request is still let in. The request's own deadline may have passed long ago.
inline net::task<result<void>> identify_again(gate& by, const http::request& r) {
  const net::deadline until = net::deadline_in(r.deadline - r.received);
  admission now;
  auto found = by.identify(now, r);
  if (const auto* const wanted = std::get_if<auth::unknown_key>(&found)) {
    const auth::unknown_key asked = *wanted;
    co_return co_await by.look_up(now, r, asked, until);
  }
  co_return std::get<result<void>>(std::move(found));
}

/// Carries an upload out and keeps its answers. `time` is what a line may take.
inline net::task<> hold_answers(bulk_grants& grants, held_answers& held, shown_answers wanted,
                                net::deadline::duration time) {
  for (bool more = true; more;) {
    grants.show(held.room_for(wanted));
    const std::string answers = co_await grants.next(net::deadline_in(time));
    held.add(answers);
    more = !answers.empty();
  }
}

}  // namespace detail

inline net::task<http::response> grant_in_bulk(context& with, call c) {
  if (c.request.header("Idempotency-Key")) {
    co_return refuse(error{errc::invalid_idempotency_key, "An upload has no key of its own; its lines have."},
                     c.request);
  }
  list_query query{c.request};
  const answer_mode mode = query.parsed(answers_parameter, answer_mode_from_string).value_or(answer_mode::all);
  if (const auto valid = query.finish(); !valid) {
    co_return refuse(valid.error(), c.request);
  }
  std::shared_ptr<void> slot = with.uploads.take();
  if (!slot) {
    co_return refuse(error{errc::overloaded, "Too many uploads are running."}, c.request);
  }
  http::response answer{200};
  answer.content_type = ndjson_type;
  bulk_grants::permission allowed = [by = &with.gate, r = &c.request] { return detail::identify_again(*by, *r); };
  const net::executor ex = co_await asio::this_coro::executor;
  const auto grants = std::make_shared<bulk_grants>(with.wallet, with.tasks, c.request.stream, c.request.request_id,
                                                    c.by.who, slot, std::move(allowed), ex);
  if (mode == answer_mode::streamed) {
    answer.source = grants;
    co_return answer;
  }
  const auto held = std::make_shared<held_answers>(with.held, slot);
  const shown_answers wanted = mode == answer_mode::all ? shown_answers::all : shown_answers::refusals;
  co_await detail::hold_answers(*grants, *held, wanted, c.request.deadline - c.request.received);
  answer.source = held;
  co_return answer;
}

inline void add_bulk_shape(shapes& all, const document_facts&) {
  const domain::verdict granted = domain::decision{.row = samples::grant(), .replayed = false};
  bulk_answer line;
  line.line = 1;
  line.what.emplace(granted, samples::request_id, audience::operators);
  line.replayed = false;
  bulk_answer sample = line;
  sample.summary.emplace();
  all.add(sample, line);
}

inline description describe_grant_in_bulk(const document_facts&) {
  using enum errc;
  return {
      .id = "grantInBulk",
      .tag = "Wallet",
      .summary = "Grant or take credits or items, line by line",
      .text =
          "Newline-delimited JSON in both directions: the schemas describe one line. Each line of the upload, of "
          "at most 16 KiB, is a grant of its own, with a key of its own; blank lines are skipped. The answer has "
          "a line for each, in the same order, and begins when the upload has been read: send everything, then read. "
          "With `answers=streamed` each line is answered as soon as it is decided, and who does not read while "
          "sending is not read from any more. A malformed line is answered with its problem and does not end the "
          "upload. The last line is the summary: without it, or with `complete` false, the answer is torn; send the "
          "upload again, what was granted before is replayed. Answers that the server had no room for are counted as "
          "`omitted`, refusals last; the upload sent again with `answers=failures` shows those. The header "
          "Idempotency-Key is refused.",
      .body = body_of(bulk_line_schema(),
                      R"({"user_id":1,"credits":50,"reason":"season gift","idempotency_key":"season-3-user-1"})",
                      ndjson_type),
      .replies = {{.text = "What became of each line, and the summary.",
                   .shape = "BulkGrantAnswer",
                   .media = ndjson_type}},
      .errors = {invalid_idempotency_key},
      .add_shapes = add_bulk_shape};
}

inline constexpr endpoint bulk_grants_endpoint{
    .verb = http::method::post,
    .path = "/grants/bulk",
    .serve = grant_in_bulk,
    .describe = describe_grant_in_bulk,
    .who = access::needs(auth::scope::grants_write, subject_place::none, limit::route_class::funds),
    .body = body_kind::lines,
    .query = bulk_grants_query};

}  // namespace coffer::api
