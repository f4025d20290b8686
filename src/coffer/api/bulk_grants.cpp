#include "coffer/api/bulk_grants.hpp"

#include <deque>

#include "coffer/api/grant.hpp"
#include "coffer/api/outcome.hpp"
#include "coffer/api/problem.hpp"
#include "coffer/api/upload_slots.hpp"
#include "coffer/base/exception.hpp"
#include "coffer/base/log.hpp"
#include "coffer/net/wait_queue.hpp"

namespace coffer::api {

namespace {

/// A piece of the answer is sent when it has grown to this, in bytes.
constexpr std::size_t enough = 64 * 1024;

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

}  // namespace

/// A line whose answer has not been sent.
struct bulk_grants::entry {
  std::size_t number = 0;
  std::string text;  ///< its answer; empty while it is being decided
  bool refused = false;
};

/// Outlives the source while lines are being decided: a client may go away in between.
struct bulk_grants::state {
  state(service::wallet& w, std::string id, domain::actor who, std::shared_ptr<void> s, const net::executor& ex)
      : wallet{w}, request_id{std::move(id)}, by{who}, slot{std::move(s)}, changed{ex, 1} {}

  service::wallet& wallet;
  std::string request_id;
  domain::actor by;  ///< who sends the upload
  std::shared_ptr<void> slot;
  std::deque<entry> entries;  ///< in the order of the upload; only its ends change, so that entries stay in place
  net::wait_queue changed;    ///< the first entry has got its answer
  bulk_summary total;
};

bulk_grants::bulk_grants(service::wallet& with, net::task_group& tasks, http::body_stream* from, std::string request_id,
                         domain::actor by, std::shared_ptr<void> slot, permission allowed, const net::executor& ex)
    : tasks_{tasks},
      from_{from},
      allowed_{std::move(allowed)},
      body_ended_{from == nullptr},
      input_over_{from == nullptr},
      state_{std::make_shared<state>(with, std::move(request_id), by, std::move(slot), ex)} {
  state_->total.complete = from == nullptr;
}

bulk_grants::~bulk_grants() = default;

net::task<std::string> bulk_grants::next(net::deadline until) {
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
net::task<> bulk_grants::check_permission() {
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
void bulk_grants::take_lines(std::chrono::steady_clock::duration time) {
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
bool bulk_grants::take_piece() {
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

void bulk_grants::end_early(errc code, std::string detail) {
  input_over_ = true;
  json::writer out{early_end_};
  out.begin_object();
  out.key("line");
  out.value(lines_.number() + 1);
  render_outcome(out, std::unexpected(error{code, std::move(detail)}), state_->request_id, audience::operators);
  out.key("replayed");
  out.value(false);
  out.end_object();
  early_end_ += '\n';
}

void bulk_grants::begin_line(std::string& text, net::deadline until) {
  entry& e = state_->entries.emplace_back();
  e.number = lines_.number();
  result<bulk_line> line = bulk_line_schema().read(text);
  if (line) {
    tasks_.spawn("bulk grant", decide(state_, e, *std::move(line), until));
  } else {
    answer(*state_, e, std::unexpected(std::move(line).error()));
  }
}

net::task<> bulk_grants::decide(std::shared_ptr<state> s, entry& e, bulk_line line, net::deadline until) {
  domain::verdict v = std::unexpected(error{errc::internal});
  try {
    grant_body what{line.credits, line.product, line.quantity, std::move(line.reason), line.note_public};
    service::request_identity who;
    who.request_id = s->request_id;
    who.by = s->by;
    who.idempotency_key = std::move(line.idempotency_key);
    v = co_await decide_grant(s->wallet, line.user, std::move(what), std::move(who), until);
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

void bulk_grants::answer(state& s, entry& e, const domain::verdict& v) {
  const bulk_metrics& count = bulk_metrics::get();
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
  json::writer out{e.text};
  out.begin_object();
  out.key("line");
  out.value(e.number);
  render_outcome(out, v, s.request_id, audience::operators);
  out.key("replayed");
  out.value(replayed);
  out.end_object();
  e.text += '\n';
}

bool bulk_grants::shows(const entry& e) const {
  return shown_ == shown_answers::all || (shown_ == shown_answers::refusals && e.refused);
}

/// Moves the answers that are ready, up to the first that is not, to `out`.
void bulk_grants::collect(std::string& out) {
  std::deque<entry>& entries = state_->entries;
  while (!entries.empty() && !entries.front().text.empty() && out.size() < enough) {
    if (shows(entries.front())) {
      out += entries.front().text;
    } else {
      ++state_->total.omitted;
      held_metrics::get().omitted.add();
    }
    entries.pop_front();
  }
}

void bulk_grants::finish(std::string& out) {
  out += early_end_;
  out += render_summary(state_->total);
  out += '\n';
  ended_ = true;
}

}  // namespace coffer::api
