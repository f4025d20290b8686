// Sends events to webhooks. Of all processes of a database one does at a time.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "coffer/api/endpoints/events.hpp"
#include "coffer/app/rounds.hpp"
#include "coffer/base/backoff.hpp"
#include "coffer/base/log.hpp"
#include "coffer/base/metrics.hpp"
#include "coffer/net/oneshot.hpp"
#include "coffer/service/database.hpp"
#include "coffer/service/webhooks.hpp"

namespace coffer::app {

/// The pauses before a delivery is tried again, those of Standard Webhooks 1.0. After the last it is dead.
inline constexpr std::array<std::chrono::seconds, 9> retry_pauses = {
    std::chrono::seconds{5}, std::chrono::minutes{5}, std::chrono::minutes{30},
    std::chrono::hours{2},   std::chrono::hours{5},   std::chrono::hours{10},
    std::chrono::hours{14},  std::chrono::hours{20},  std::chrono::hours{24}};

/// The job. Lives on one thread, with that thread's pool and feed.
///
/// Each webhook has a place in the event log, which moves on when every event before it was accepted or is kept in
/// webhook_deliveries. So a relay that dies, or that goes on while another has begun, only repeats. A webhook that
/// accepts nothing rests, with growing pauses: one attempt is made then, and its place stays where it is.
class webhook_relay {
 public:
  webhook_relay(const net::executor& ex, pg::pool& db, service::events& feed, net::outgoing& out,
                net::task_group& tasks, std::chrono::seconds kept)
      : executor_{ex}, rounds_{ex, look_every}, db_{db}, feed_{feed}, out_{out}, tasks_{tasks}, kept_{kept} {}

  /// Becomes the relay when nobody is, and looks for changes of webhooks every second, until stop().
  net::task<> run() {
    co_await rounds_.run([this] { return look(); });
    const std::int64_t epoch = epoch_;
    end_all();
    if (epoch > 0) {
      try {
        const net::deadline until = net::deadline_in(std::chrono::seconds{1});
        const auto work = [epoch, until](pg::connection& db) { return store::end_lease(db, epoch, until); };
        co_await service::with_connection(db_, until, true, work);
      } catch (const pg::error& e) {
        log::debug("the relay's lease could not be ended", {{"message", e.what()}});
      }
    }
  }
  /// On the job's thread.
  void stop() { rounds_.stop(); }

 private:
  using clock = std::chrono::steady_clock;

  static constexpr std::chrono::seconds look_every{1};
  static constexpr std::chrono::seconds step_time{5};
  /// How long another process waits for one that died. An operation of this one that takes longer only repeats.
  static constexpr std::chrono::seconds lease_lasts{10};
  static constexpr std::chrono::hours switched_off_after{24 * 5};
  /// Where there were events a moment ago, there are likely more soon: what waits for service::events waits longer.
  static constexpr std::chrono::milliseconds look_again{20};
  static constexpr std::int64_t events_at_once = 1000;
  static constexpr std::int64_t retries_at_once = 100;
  // Requests at a time to one webhook.
  static constexpr std::size_t log_senders = 12;
  static constexpr std::size_t replay_senders = 2;
  static constexpr std::size_t retry_senders = 2;
  /// Deliveries of a webhook that may wait for another attempt; then its place stays until there are fewer.
  static constexpr std::int64_t most_retrying = 10'000;
  /// Attempts that fail in a row before a webhook rests.
  static constexpr int failures_before_rest = 5;
  static constexpr std::chrono::seconds first_rest{5};
  static constexpr std::chrono::seconds longest_rest{60};
  static constexpr int looks_between_lags = 5;
  static constexpr int looks_between_drops = 600;

  /// An active webhook.
  struct receiver {
    store::webhook_row row;
    store::webhook_secrets secrets;
    std::int64_t epoch = 0;
    bool ended = false;  ///< not active any more, or not this process's
    int failures = 0;    ///< in a row
    int rests = 0;       ///< in a row
    clock::time_point rests_until{};
    bool is_tried = false;    ///< the one attempt behind a rest is under way
    bool had_events = false;  ///< the log had some when it was last read
  };
  using receiver_ptr = std::shared_ptr<receiver>;

  /// An event on its way.
  struct message {
    store::webhook_delivery what;
    std::int64_t about = 0;       ///< messages about the same are sent one behind the other, in their order
    std::optional<timestamp> at;  ///< when it happened, of what is sent the first time
  };

  /// Messages that are sent together.
  struct sending {
    explicit sending(const net::executor& ex) : done{ex} {}
    std::vector<std::vector<message>> chains;  ///< each about one
    std::size_t begun = 0;                     ///< chains that a sender has taken
    std::size_t left = 0;                      ///< senders
    bool all_settled = true;
    net::oneshot<bool> done;
  };

  [[nodiscard]] bool may_send(const receiver& to) const {
    return !to.ended && !rounds_.stopping() && !feed_.stopped() && clock::now() < lease_until_;
  }

  net::task<> look();
  net::task<> look_at_lag(net::deadline until);
  void take(std::vector<std::pair<store::webhook_row, store::webhook_secrets>> found);
  void end_all();
  net::task<> follow(receiver_ptr to, bool is_replay);
  net::task<std::optional<store::found_place>> follow_page(receiver_ptr to, store::found_place from);
  net::task<> end_replay(const store::webhook_place& at);
  net::task<> retry(receiver_ptr to);
  net::task<bool> send_all(receiver_ptr to, std::vector<message> all, std::size_t senders);
  net::task<> send_chains(receiver_ptr to, std::shared_ptr<sending> with);
  net::task<bool> deliver_or_keep(receiver_ptr to, message what);
  net::task<bool> deliver(receiver_ptr to, message what);
  net::task<bool> settle(receiver_ptr to, message what, net::outgoing_answer answer);
  net::task<> switch_off(receiver_ptr to, std::string reason);
  std::optional<std::chrono::seconds> pause_after(std::int16_t attempts);

  /// Runs `work(connection, deadline)`, which may be repeated, within step_time.
  template <typename Work>
  auto once(Work work) {
    const net::deadline until = net::deadline_in(step_time);
    return service::with_connection(db_, until, true,
                                    [work = std::move(work), until](pg::connection& db) { return work(db, until); });
  }

  net::executor executor_;
  rounds rounds_;
  pg::pool& db_;
  service::events& feed_;
  net::outgoing& out_;
  net::task_group& tasks_;
  std::chrono::seconds kept_;
  std::map<std::int64_t, receiver_ptr> receivers_;
  std::int64_t epoch_ = 0;  ///< 0: this process is not the relay
  clock::time_point lease_until_{};
  int looks_ = 0;
  std::minstd_rand random_{std::random_device{}()};

  metrics::gauge is_relay_ = metrics::make_gauge("coffer_webhook_relay", "Whether this process sends webhooks");
  metrics::counter look_failures_ = metrics::make_counter(
      "coffer_webhook_relay_failures_total", "Looks of the relay at the database that failed and come again");
  metrics::gauge lag_events_ = metrics::make_gauge("coffer_webhook_lag_events",
                                                   "Events that the active webhook furthest behind has not been sent");
  metrics::gauge lag_seconds_ = metrics::make_gauge("coffer_webhook_lag_seconds",
                                                    "Age of the oldest event that an active webhook has not been sent");
  metrics::gauge active_ = of_state("active");
  metrics::gauge failing_ = of_state("failing");
  metrics::gauge switched_off_ = of_state("switched_off");
  metrics::gauge retrying_ = deliveries_of("retrying");
  metrics::gauge dead_ = deliveries_of("dead");
  metrics::histogram delay_ = metrics::make_histogram(
      "coffer_webhook_delay_seconds", "From an event to its acceptance, where the first attempt was accepted",
      {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 600, 3600});

  metrics::counter accepted_ = attempts_of("accepted");
  /// By net::outgoing_answer::end.
  std::array<metrics::counter, 5> failed_ = {attempts_of("refused"), attempts_of("timed_out"),
                                             attempts_of("unreachable"), attempts_of("forbidden"),
                                             attempts_of("untrusted")};

  static metrics::gauge of_state(std::string state) {
    return metrics::make_gauge("coffer_webhooks", "Webhooks; those that fail are active, too",
                               {{"state", std::move(state)}});
  }
  static metrics::gauge deliveries_of(std::string state) {
    return metrics::make_gauge("coffer_webhook_deliveries", "Deliveries that were not accepted at once",
                               {{"state", std::move(state)}});
  }
  static metrics::counter attempts_of(std::string outcome) {
    return metrics::make_counter("coffer_webhook_attempts_total", "Requests to webhooks",
                                 {{"outcome", std::move(outcome)}});
  }
  static void count_switched_off(std::string reason, std::int64_t id) {
    log::error("webhook switched off",
               {{"webhook", id},
                {"reason", std::string_view{reason}},
                {"remedy", "mend the receiver and switch it on with PATCH /webhooks/{webhook_id}"}});
    metrics::make_counter("coffer_webhooks_switched_off_total", "Webhooks that the relay has switched off",
                          {{"reason", std::move(reason)}})
        .add();
  }
};

inline void webhook_relay::end_all() {
  for (auto& [id, each] : receivers_) {
    each->ended = true;
  }
  receivers_.clear();
  epoch_ = 0;
  lease_until_ = {};
  for (const metrics::gauge& each :
       {is_relay_, lag_events_, lag_seconds_, active_, failing_, switched_off_, retrying_, dead_}) {
    each.set(0);
  }
}

inline net::task<> webhook_relay::look() {
  const auto began = clock::now();
  try {
    const net::deadline until = net::deadline_in(step_time);
    const auto lease = [epoch = epoch_, until](pg::connection& db) {
      return store::take_lease(db, epoch, lease_lasts, until);
    };
    const std::optional<std::int64_t> epoch = co_await service::with_connection(db_, until, true, lease);
    if (epoch != epoch_ || clock::now() >= lease_until_) {
      end_all();  // who sends has stopped by itself when the lease was over
    }
    if (!epoch) {
      co_return;
    }
    if (epoch_ == 0) {
      log::info("this process sends webhooks", {{"epoch", *epoch}});
    }
    epoch_ = *epoch;
    lease_until_ = began + lease_lasts;
    is_relay_.set(1);
    const auto failing = [until](pg::connection& db) {
      return store::switch_off_failing(db, switched_off_after, until);
    };
    for (const std::int64_t id : co_await service::with_connection(db_, until, true, failing)) {
      count_switched_off("failing", id);
    }
    const auto list = [until](pg::connection& db) { return store::list_webhooks(db, std::nullopt, until); };
    take(co_await service::with_connection(db_, until, true, list));
    if (looks_ % looks_between_lags == 0) {
      co_await look_at_lag(until);
    }
    if (looks_ % looks_between_drops == 0) {
      const auto drop = [kept = kept_, until](pg::connection& db) { return store::drop_dead(db, kept, until); };
      co_await service::with_connection(db_, until, true, drop);
    }
    ++looks_;
  } catch (const pg::error& e) {
    look_failures_.add();
    log::debug("the webhook relay could not look", {{"message", e.what()}});
    if (clock::now() >= lease_until_) {
      end_all();
    }
  }
}

inline net::task<> webhook_relay::look_at_lag(net::deadline until) {
  const auto work = [until](pg::connection& db) { return store::find_lag(db, until); };
  std::int64_t events = 0;
  double seconds = 0;
  for (const store::webhook_lag& each : co_await service::with_connection(db_, until, true, work)) {
    events = std::max(events, each.events);
    seconds = std::max(seconds, each.seconds);
  }
  lag_events_.set(static_cast<double>(events));
  lag_seconds_.set(seconds);
}

/// Begins to send to those that are new, and ends what is over.
inline void webhook_relay::take(std::vector<std::pair<store::webhook_row, store::webhook_secrets>> found) {
  std::map<std::int64_t, receiver_ptr> before = std::move(receivers_);
  receivers_.clear();
  std::int64_t failing = 0, off = 0, retrying = 0, dead = 0;
  for (auto& [row, secrets] : found) {
    failing += row.is_active && row.failing_since ? 1 : 0;
    off += row.inactive_reason ? 1 : 0;
    retrying += row.retrying;
    dead += row.dead;
    if (!row.is_active) {
      continue;
    }
    const auto known = before.find(row.id);
    if (known != before.end() && !known->second->ended) {
      known->second->row = std::move(row);
      known->second->secrets = std::move(secrets);
      receivers_.insert(before.extract(known));
      continue;
    }
    auto made = std::make_shared<receiver>();
    made->epoch = epoch_;
    made->row = std::move(row);
    made->secrets = std::move(secrets);
    receivers_.emplace(made->row.id, made);
    tasks_.spawn("webhook", follow(made, false));
    tasks_.spawn("webhook replay", follow(made, true));
    tasks_.spawn("webhook retries", retry(made));
  }
  for (auto& [id, gone] : before) {
    gone->ended = true;
  }
  active_.set(static_cast<double>(receivers_.size()));
  failing_.set(static_cast<double>(failing));
  switched_off_.set(static_cast<double>(off));
  retrying_.set(static_cast<double>(retrying));
  dead_.set(static_cast<double>(dead));
}

/// Sends what the log has for a webhook, or what its replay has.
inline net::task<> webhook_relay::follow(receiver_ptr to, bool is_replay) {
  std::optional<store::found_place> at;
  while (may_send(*to)) {
    bool rests = is_replay ? !to->row.replaying : to->row.retrying >= most_retrying;
    try {
      if (!at && !rests) {
        const auto find = [id = to->row.id, is_replay](pg::connection& db, net::deadline until) {
          return store::find_place(db, id, is_replay, until);
        };
        auto found = co_await once(find);
        if (found && found->ended) {
          co_await end_replay(found->at);
          found.reset();
        }
        rests = !found;
        if (found) {
          at = std::move(found);
        }
      }
      if (at && !rests) {
        at = co_await follow_page(to, *std::move(at));
      }
    } catch (const pg::error& e) {
      log::debug("a webhook could not go on", {{"webhook", to->row.id}, {"message", e.what()}});
      at.reset();
      rests = true;
    }
    if (rests && may_send(*to)) {
      co_await net::sleep_for(look_every);
    }
  }
}

/// Sends the next events, or waits for some. Gives the place behind them; nullopt: it must be read again.
inline net::task<std::optional<store::found_place>> webhook_relay::follow_page(receiver_ptr to,
                                                                               store::found_place from) {
  store::webhook_place& at = from.at;
  result<service::events_page> page =
      co_await feed_.read(at.place, from.types, events_at_once, net::deadline_in(step_time));
  if (!page) {
    // A database that has lost what it had committed has an older place, too.
    if (!from.is_fresh) {
      co_return std::nullopt;
    }
    if (at.is_replay) {
      // What it was to send is not kept any more.
      co_await end_replay(at);
    } else {
      co_await switch_off(to, std::string{to_string(page.error().code)});
    }
    co_return std::nullopt;
  }
  from.is_fresh = false;
  if (page->events.empty() && page->place == at.place) {
    if (!at.is_replay) {
      if (std::exchange(to->had_events, false)) {
        co_await net::sleep_for(look_again);
      } else if (co_await feed_.wait(at.place, net::deadline_in(look_every)) == net::wait_result::full) {
        co_await net::sleep_for(service::events::look_every);
      }
      co_return from;
    }
    co_await end_replay(at);
    co_return std::nullopt;
  }
  to->had_events = to->had_events || !at.is_replay;
  std::vector<message> all;
  for (const store::event& each : page->events) {
    const api::shown_event shown = api::show(each);
    if ((at.from && shown.time < *at.from) || (at.to && shown.time >= *at.to)) {
      continue;
    }
    message made;
    made.what.webhook = at.webhook;
    made.what.event_id = shown.id;
    made.what.type = shown.type;
    made.what.body = api::rendered(shown);
    made.about = shown.user.value_or(-shown.product.value_or(0));
    made.at = at.is_replay ? std::nullopt : std::optional{shown.time};
    all.push_back(std::move(made));
  }
  if (!co_await send_all(to, std::move(all), at.is_replay ? replay_senders : log_senders)) {
    co_return std::nullopt;
  }
  at.place = std::move(page->place);
  const net::deadline until = net::deadline_in(step_time);
  const auto save = [at, epoch = to->epoch, until](pg::connection& db) {
    return store::save_place(db, at, epoch, until);
  };
  // Not repeatable: had it been done, the revision would have moved, and the place is read again then.
  const std::optional<std::int64_t> revision = co_await service::with_connection(db_, until, false, save);
  if (!revision || at.is_replay) {
    co_return std::nullopt;
  }
  at.revision = *revision;
  co_return from;
}

inline net::task<> webhook_relay::end_replay(const store::webhook_place& at) {
  const auto work = [id = at.webhook, revision = at.revision](pg::connection& db, net::deadline until) {
    return store::end_replay_of(db, id, revision, until);
  };
  co_await once(work);
}

/// Sends what was not accepted before, when its time has come.
inline net::task<> webhook_relay::retry(receiver_ptr to) {
  while (may_send(*to)) {
    bool rests = true;
    try {
      if (to->row.retrying == 0) {
        co_await net::sleep_for(look_every);
        continue;
      }
      const auto find = [id = to->row.id](pg::connection& db, net::deadline until) {
        return store::find_due(db, id, retries_at_once, until);
      };
      std::vector<message> all;
      for (store::webhook_delivery& each : co_await once(find)) {
        all.push_back({.what = std::move(each), .about = std::ssize(all), .at = {}});
      }
      rests = std::ssize(all) < retries_at_once;
      rests = !co_await send_all(to, std::move(all), retry_senders) || rests;
    } catch (const pg::error& e) {
      log::debug("retries of a webhook could not go on", {{"webhook", to->row.id}, {"message", e.what()}});
    }
    if (rests && may_send(*to)) {
      co_await net::sleep_for(look_every);
    }
  }
}

/// Whether every message was accepted or is kept.
inline net::task<bool> webhook_relay::send_all(receiver_ptr to, std::vector<message> all, std::size_t senders) {
  auto with = std::make_shared<sending>(executor_);
  std::unordered_map<std::int64_t, std::size_t> chain_of;
  for (message& each : all) {
    const auto [found, is_new] = chain_of.try_emplace(each.about, with->chains.size());
    if (is_new) {
      with->chains.emplace_back();
    }
    with->chains[found->second].push_back(std::move(each));
  }
  with->left = std::min(senders, with->chains.size());
  if (with->left == 0) {
    co_return true;
  }
  for (std::size_t i = with->left; i > 0; --i) {
    tasks_.spawn("webhook sender", send_chains(to, with));
  }
  co_return co_await with->done.wait();
}

/// Takes one chain after the other. A chain ends early when one of its messages cannot be settled.
inline net::task<> webhook_relay::send_chains(receiver_ptr to, std::shared_ptr<sending> with) {
  bool settled = true;
  while (settled && with->begun < with->chains.size()) {
    for (message& each : with->chains[with->begun++]) {
      settled = settled && co_await deliver_or_keep(to, std::move(each));
    }
  }
  with->all_settled = with->all_settled && settled;
  if (--with->left == 0) {
    with->done.set(with->all_settled);
  }
}

/// As deliver(), until it was accepted or kept.
inline net::task<bool> webhook_relay::deliver_or_keep(receiver_ptr to, message what) {
  for (;;) {
    try {
      co_return co_await deliver(to, what);
    } catch (const pg::error& e) {
      // It could not be kept: it is sent again.
      log::debug("a delivery could not be kept", {{"webhook", to->row.id}, {"message", e.what()}});
    }
    if (!may_send(*to)) {
      co_return false;
    }
    co_await net::sleep_for(look_every);
  }
}

/// One attempt, behind the webhook's rest if it has one. False: it was not made, or is to be made again later by
/// whoever goes on from the place.
inline net::task<bool> webhook_relay::deliver(receiver_ptr to, message what) {
  constexpr std::chrono::milliseconds look_at_rest{200};
  const auto rests = [&to] {
    return to->failures >= failures_before_rest && (to->is_tried || clock::now() < to->rests_until);
  };
  while (may_send(*to) && rests()) {
    co_await net::sleep_for(look_at_rest);
  }
  if (!may_send(*to)) {
    co_return false;
  }
  const bool is_probe = to->failures >= failures_before_rest;
  to->is_tried = to->is_tried || is_probe;
  net::outgoing_answer answer = co_await out_.post(service::webhook_message(
      to->row.url, what.what.event_id, what.what.body, to->secrets, service::webhook_patience));
  to->is_tried = to->is_tried && !is_probe;
  co_return co_await settle(to, std::move(what), std::move(answer));
}

inline net::task<bool> webhook_relay::settle(receiver_ptr to, message what, net::outgoing_answer answer) {
  using enum net::outgoing_answer::end;
  store::webhook_delivery& row = what.what;
  const bool accepted = answer.ended == answered && answer.status / 100 == 2;
  if (!accepted && rounds_.stopping()) {
    co_return false;  // cut off by the end of this process
  }
  if (accepted) {
    accepted_.add();
  } else {
    failed_.at(static_cast<std::size_t>(answer.ended)).add();
  }
  const auto failing = [&to](bool is) {
    return [id = to->row.id, is](pg::connection& db, net::deadline until) {
      return store::set_failing(db, id, is, until);
    };
  };
  if (accepted) {
    to->failures = 0;
    to->rests = 0;
    if (to->row.failing_since) {
      co_await once(failing(false));
      to->row.failing_since.reset();
    }
    if (row.is_kept()) {
      const auto drop = [id = row.webhook, event = row.event_id](pg::connection& db, net::deadline until) {
        return store::drop_delivery(db, id, event, until);
      };
      co_await once(drop);
    } else if (what.at) {
      delay_.observe(std::chrono::duration<double>(now() - *what.at).count());
    }
    co_return true;
  }
  constexpr int gone = 410;
  if (answer.status == gone) {
    co_await switch_off(to, "gone");
    co_return false;
  }
  ++to->failures;
  if (to->failures >= failures_before_rest && clock::now() >= to->rests_until) {
    using std::chrono::milliseconds;
    to->rests_until =
        clock::now() + backoff(milliseconds{first_rest} * 2, milliseconds{longest_rest}, to->rests, random_);
    ++to->rests;
  }
  row.last_status = answer.status > 0 ? std::optional{std::int32_t{answer.status}} : std::nullopt;
  row.last_error = answer.ended == answered ? fmt::format("HTTP status {}", answer.status) : answer.message;
  const auto keep = [row, pause = pause_after(row.attempts)](pg::connection& db, net::deadline until) {
    return store::keep_failed(db, row, pause, until);
  };
  co_await once(keep);
  if (to->failures >= failures_before_rest && !to->row.failing_since) {
    to->row.failing_since = now();  // others fail meanwhile; the next look says whether it was noted
    co_await once(failing(true));
    log::warn("webhook fails", {{"webhook", row.webhook}, {"message", std::string_view{row.last_error}}});
  }
  co_return true;
}

inline net::task<> webhook_relay::switch_off(receiver_ptr to, std::string reason) {
  const auto work = [id = to->row.id, reason](pg::connection& db, net::deadline until) {
    return store::switch_off(db, id, reason, until);
  };
  if (co_await once(work)) {
    count_switched_off(reason, to->row.id);
  }
  to->ended = true;
}

/// Behind another failure, with up to a tenth more, so that what failed together does not come together; nullopt: none
/// is left.
inline std::optional<std::chrono::seconds> webhook_relay::pause_after(std::int16_t attempts) {
  const auto index = static_cast<std::size_t>(attempts);
  if (index >= retry_pauses.size()) {
    return std::nullopt;
  }
  const std::chrono::seconds whole = retry_pauses.at(index);
  return whole + std::chrono::seconds{std::uniform_int_distribution<std::int64_t>{0, whole.count() / 10}(random_)};
}

}  // namespace coffer::app
