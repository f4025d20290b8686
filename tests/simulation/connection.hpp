// The client's side of a session with the model: latency, and messages that are lost. What a lane has in place of
// pg::connection.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "database.hpp"

namespace coffer::simulation {

/// What may go wrong with a message on its way.
enum class mishap : std::uint8_t {
  none,
  cut_before,    ///< the connection ends before it is sent
  request_lost,  ///< it never arrives
  answer_lost,   ///< it is carried out, and the connection ends
  answer_late,   ///< the connection ends at once, and it is carried out all the same
  rolls_back,    ///< its COMMIT answers ROLLBACK
  gives_up,      ///< its COMMIT does not wait for the standby to the end
  refused,       ///< a statement fails
};

/// As it is spelled in traces.
inline std::string_view name_of(mishap what) {
  constexpr std::array names = {"none",        "cut_before", "request_lost", "answer_lost",
                                "answer_late", "rolls_back", "gives_up",     "refused"};
  return names.at(static_cast<std::size_t>(what));
}

/// What goes wrong with a message of one lane.
struct fault {
  mishap what = mishap::none;
  bool at_commit = false;  ///< waits for a message that ends in COMMIT
  pg::sqlstate state = pg::sqlstate::none;
  std::size_t statement = 0;
  bool silent = false;  ///< the server does not learn that its client is gone
};

/// How the lanes reach the database; by the name of the lane.
class network {
 public:
  network(chance& random, timeline& time) : random_{random}, time_{time} {}

  void arm(const std::string& link, const fault& f) { faults_[link].push_back(f); }
  void slow_down(const std::string& link, duration by, duration for_time) {
    slow_[link] = {by, time_.now() + for_time};
  }

  /// From now on all goes well.
  void calm() {
    faults_.clear();
    slow_.clear();
  }

  duration latency(const std::string& link) {
    const duration usual = random_.within(std::chrono::microseconds{20}, std::chrono::microseconds{400});
    const auto slow = slow_.find(link);
    return slow != slow_.end() && time_.now() < slow->second.second ? usual + slow->second.first : usual;
  }

  fault take(const std::string& link, bool commits) {
    std::deque<fault>& armed = faults_[link];
    const auto due = std::ranges::find_if(armed, [&](const fault& f) { return commits || !f.at_commit; });
    if (due == armed.end()) {
      return {};
    }
    const fault taken = *due;
    meet(name_of(taken.what));
    armed.erase(due);
    return taken;
  }

 private:
  chance& random_;
  timeline& time_;
  std::map<std::string, std::deque<fault>> faults_;
  std::map<std::string, std::pair<duration, net::deadline>> slow_;
};

/// What a simulation consists of, below the lanes.
struct universe {
  explicit universe(std::uint64_t seed, database_options how, bool readable)
      : random{seed}, events{readable}, db{context, time, events, how}, links{random, time} {
    timeline::current() = &time;
    current() = this;
  }
  universe(const universe&) = delete;
  universe& operator=(const universe&) = delete;

  /// The one of this thread.
  static universe*& current() {
    thread_local universe* one = nullptr;
    return one;
  }

  timeline time;
  asio::io_context context{1};
  chance random;
  trace events;
  database db;
  network links;
};

/// A session. What pg::connection does for a lane.
class connection {
 public:
  // As those of pg::connection.
  static net::task<std::unique_ptr<connection>> open(net::executor ex, pg::options how, net::deadline until);
  ~connection() { drop(false); }
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  net::task<std::vector<pg::rows>> run(pg::pipeline statements, net::deadline until);
  net::task<pg::rows> execute(std::string sql, net::deadline until);
  [[nodiscard]] pg::transaction_state state() const { return state_; }

 private:
  enum class outcome : std::uint8_t { pending, answered, lost, timed_out };

  /// A message and what comes back.
  struct exchange {
    pg::pipeline statements;
    served reply;
    outcome ended = outcome::pending;
    net::waiter waiting;
    timeline::event alarm;
  };
  using shared_exchange = std::shared_ptr<exchange>;

  connection(std::string link, backend& server) : link_{std::move(link)}, server_{&server} {}

  static void finish(const shared_exchange& x, outcome how);
  static net::task<> serve(shared_exchange x, backend* server, fault f, std::string link);
  static void deliver(shared_exchange x, backend* server, fault f, std::string link);
  void drop(bool silent);
  [[noreturn]] void fail(pg::failure kind, pg::delivery delivered, pg::sqlstate state, std::size_t index = 0);

  std::string link_;
  backend* server_;
  pg::transaction_state state_ = pg::transaction_state::idle;
  net::deadline arrives_{};  ///< when the server has all that was sent
};

namespace detail {

inline constexpr pg::statement plain_commit{"commit", "commit"};
inline constexpr pg::statement plain_rollback{"rollback", "rollback"};

}  // namespace detail

inline net::task<std::unique_ptr<connection>> connection::open(net::executor ex, pg::options how, net::deadline until) {
  universe& u = *universe::current();
  static_cast<void>(ex);
  co_await net::sleep_for<timer>(4 * u.links.latency(how.url));
  pg::error::details known;
  if (clock::now() >= until) {
    throw pg::error{pg::failure::timed_out, "no connection", std::move(known)};
  }
  if (clock::now() < u.db.down_until) {
    known.state = pg::sqlstate::cannot_connect_now;
    throw pg::error{pg::failure::connect, "the server is starting", std::move(known)};
  }
  u.events.note("connects", how.url);
  co_return std::unique_ptr<connection>{new connection{how.url, u.db.connect(how.url)}};
}

/// The server learns of it behind what it was sent.
inline void connection::drop(bool silent) {
  if (server_ == nullptr) {
    return;
  }
  universe& u = *universe::current();
  state_ = pg::transaction_state::unknown;
  if (!silent) {
    const net::deadline when = std::max(clock::now() + u.links.latency(link_), arrives_) + std::chrono::microseconds{1};
    u.time.at(when, [&u, server = server_] { u.db.hang_up(*server); });
  }
  server_ = nullptr;
}

inline void connection::fail(pg::failure kind, pg::delivery delivered, pg::sqlstate state, std::size_t index) {
  universe& u = *universe::current();
  const bool is_blind = u.db.wrong == mutant::run_again_blindly && delivered == pg::delivery::unknown;
  pg::error::details known;
  known.state = state;
  known.delivered = is_blind ? pg::delivery::not_sent : delivered;
  known.connection_usable = server_ != nullptr;
  known.statement_index = index;
  u.events.note("fails", link_, pg::to_string(kind), pg::to_string(delivered), pg::to_string(state));
  throw pg::error{kind, "simulated", std::move(known)};
}

inline void connection::finish(const shared_exchange& x, outcome how) {
  if (x->ended == outcome::pending) {
    universe& u = *universe::current();
    x->ended = how;
    u.time.cancel(x->alarm);
    x->waiting.post(u.context.get_executor());
  }
}

inline void connection::deliver(shared_exchange x, backend* server, fault f, std::string link) {
  universe& u = *universe::current();
  if (server->serving) {  // of a mutant that did not wait for its last answer
    u.time.in(std::chrono::microseconds{50}, [=] { deliver(x, server, f, link); });
    return;
  }
  if (server->ended) {
    finish(x, outcome::lost);
    return;
  }
  asio::co_spawn(u.context, serve(x, server, f, link), [](const std::exception_ptr& e) {
    if (e) {
      std::rethrow_exception(e);
    }
  });
}

inline net::task<> connection::serve(shared_exchange x, backend* server, fault f, std::string link) {
  universe& u = *universe::current();
  sabotage wrong;
  wrong.rolls_back = f.what == mishap::rolls_back;
  if (f.what == mishap::gives_up) {
    wrong.gives_up = f.silent ? pg::sqlstate::query_canceled : pg::sqlstate::admin_shutdown;
  }
  if (f.what == mishap::refused) {
    wrong.error = f.state;
    wrong.at = f.statement % x->statements.size();
  }
  served reply = co_await u.db.serve(*server, x->statements, wrong);
  const bool lost = reply.lost || f.what == mishap::answer_lost;
  x->reply = std::move(reply);
  u.time.in(u.links.latency(link), [x, lost] { finish(x, lost ? outcome::lost : outcome::answered); });
}

inline net::task<std::vector<pg::rows>> connection::run(pg::pipeline statements, net::deadline until) {
  universe& u = *universe::current();
  if (server_ == nullptr) {
    fail(pg::failure::closed, pg::delivery::not_sent, pg::sqlstate::none);
  }
  if (clock::now() >= until) {
    fail(pg::failure::timed_out, pg::delivery::not_sent, pg::sqlstate::none);
  }
  const std::string_view first = statements.entries().front().what->name;
  const std::string_view last = statements.entries().back().what->name;
  const bool commits = last == "batch_commit" || last == "commit";
  const fault f = u.links.take(link_, commits);
  if (server_->ended || f.what == mishap::cut_before) {
    const pg::sqlstate farewell = server_->ended ? server_->farewell : pg::sqlstate::connection_failure;
    drop(false);
    fail(pg::failure::lost, pg::delivery::not_sent, farewell);
  }
  u.events.note("asks", link_, first, last, statements.size());
  const auto x = std::make_shared<exchange>();
  x->statements = std::move(statements);
  arrives_ = std::max(arrives_, clock::now() + u.links.latency(link_));
  if (f.what != mishap::request_lost) {
    u.time.at(arrives_, [x, server = server_, f, link = link_] { deliver(x, server, f, link); });
  }
  if (u.db.wrong == mutant::answered_before_commit && last == "batch_commit") {
    state_ = pg::transaction_state::idle;
    std::vector<pg::rows> claimed;
    claimed.push_back(answer{}.tagged("COMMIT"));
    co_return claimed;
  }
  if (f.what == mishap::request_lost || f.what == mishap::answer_late) {
    u.time.in(u.links.latency(link_), [x] { finish(x, outcome::lost); });
  }
  x->alarm = u.time.at(until, [x] { finish(x, outcome::timed_out); });
  auto start = [&x](auto&& h) { x->waiting.hold(std::forward<decltype(h)>(h)); };
  co_await net::suspend(start);
  if (x->ended != outcome::answered) {
    const bool timed_out = x->ended == outcome::timed_out;
    const pg::sqlstate said = x->reply.lost ? server_->farewell : pg::sqlstate::connection_failure;
    drop(f.silent);
    fail(timed_out ? pg::failure::timed_out : pg::failure::lost, pg::delivery::unknown,
         timed_out ? pg::sqlstate::none : said, x->reply.failed_at);
  }
  state_ = x->reply.state;
  if (x->reply.unreplicated) {
    fail(pg::failure::statement, pg::delivery::unknown, pg::sqlstate::statement_completion_unknown,
         x->statements.size() - 1);
  }
  if (x->reply.failed) {
    if (x->reply.failed->state == pg::sqlstate::read_only_transaction) {
      drop(false);
    }
    fail(pg::failure::statement, pg::delivery::answered, x->reply.failed->state, x->reply.failed_at);
  }
  std::vector<pg::rows> results = std::move(x->reply.results);
  if (commits) {
    u.events.note("ends", link_, results.back().command_tag());
    if (u.db.wrong == mutant::rollback_taken_for_commit) {
      results.back() = answer{}.tagged("COMMIT");
    }
  }
  co_return results;
}

inline net::task<pg::rows> connection::execute(std::string sql, net::deadline until) {
  universe& u = *universe::current();
  const bool commits = sql == "commit";
  if (!commits && u.db.wrong == mutant::rollback_forgotten) {
    state_ = pg::transaction_state::idle;
    co_return pg::rows{};
  }
  if (commits && u.db.wrong == mutant::look_up_not_committed && server_ != nullptr) {
    server_->ignores_standby = true;
  }
  pg::pipeline one;
  one.add(commits ? detail::plain_commit : detail::plain_rollback);
  std::vector<pg::rows> results = co_await run(std::move(one), until);
  co_return std::move(results.front());
}

}  // namespace coffer::simulation
