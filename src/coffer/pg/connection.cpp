#include "coffer/pg/connection.hpp"

#include <poll.h>

#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "coffer/base/assert.hpp"
#include "coffer/base/log.hpp"
#include "coffer/pg/connect.hpp"
#include "coffer/pg/conninfo.hpp"
#include "coffer/pg/handle.hpp"
#include "coffer/pg/pipeline_run.hpp"
#include "coffer/pg/session_target.hpp"
#include "coffer/pg/socket.hpp"

namespace coffer::pg {

namespace {

/// After these a new connection is the cure: the server's and our idea of what is prepared differ for good ("cached
/// plan must not change result type" after a migration, a pooler in between), or the server has become read-only, and
/// another may have taken over.
bool spoils_session(sqlstate state) noexcept {
  return state == sqlstate::feature_not_supported || state == sqlstate::invalid_statement_name ||
         state == sqlstate::duplicate_prepared_statement || state == sqlstate::read_only_transaction;
}

error lost_before_sending(const server_message& farewell) {
  error::details known;
  known.state = farewell.state == sqlstate::none ? sqlstate::connection_failure : farewell.state;
  const std::string message =
      farewell.text.empty() ? "the server had closed the connection" : "before use: " + farewell.text;
  return error{failure::lost, message, std::move(known)};
}

/// Sets $1 to $2, one by one: for the session, or ($3) for the transaction.
constexpr statement apply_settings{
    "session_settings",
    "select count(set_config(name, value, $3)) from (select unnest($1) as name, unnest($2) as value) as given"};

pipeline::entry setup_of(const std::vector<std::pair<std::string, std::string>>& settings, bool local) {
  std::vector<std::string_view> names, values;
  for (const auto& [name, value] : settings) {
    names.emplace_back(name);
    values.emplace_back(value);
  }
  using texts = std::span<const std::string_view>;
  return {&apply_settings, params::of(texts{names}, texts{values}, local)};
}

error expired_before_sending(bool usable) {
  error::details known;
  known.connection_usable = usable;
  return error{failure::timed_out, "the deadline had passed before anything was sent", std::move(known)};
}

}  // namespace

struct connection::impl {
  impl(const net::executor& ex, handle h, bool with_prepared, pipeline::entry with_setup)
      : pg{std::move(h)},
        target{pg.get()},
        watch{ex},
        prepared{with_prepared},
        setup{std::move(with_setup)},
        opened{std::chrono::steady_clock::now()} {}

  ~impl() { drop(); }

  /// Ends the session: the socket is let go before libpq closes it.
  void drop() noexcept {
    watch.clear_deadline();
    watch.release();
    pg.reset();
  }

  /// Throws unless something may be sent now. Nothing has been sent then.
  void check_ready(net::deadline until);
  /// Reads what arrived while nothing was asked: notices, a farewell, the end.
  bool alive();
  [[nodiscard]] transaction_state state() const noexcept;
  /// Writes what is left, waits, and reads what came. Throws (and drops the connection) when the deadline passes.
  net::task<> wait_for_input(std::size_t unanswered);
  /// The error for a connection that broke while in use. Drops it.
  error lost(const std::optional<pipeline_failure>& said, std::size_t unanswered, bool out_of_step);
  /// The error for a refused statement. Drops the connection when that left it unusable.
  error refused(const pipeline_failure& said);
  /// How the settings travel with `statements`: once, in front of whatever is asked first; without sessions to set, in
  /// each transaction.
  [[nodiscard]] session_setup next_setup(const pipeline& statements) const;
  /// Throws when a commit of what has just been answered did not wait for its synchronous standbys. It has happened
  /// here; whether it will stay is not known.
  void check_replicated(std::size_t statements);

  handle pg;
  session_target target;
  socket watch;
  statement_cache cache;
  bool prepared;
  pipeline::entry setup;
  bool set_up = false;  ///< for the session, once
  bool busy = false;
  std::chrono::steady_clock::time_point opened;
};

namespace {

/// Marks a connection as in use for one operation.
class in_use {
 public:
  explicit in_use(bool& busy) : busy_{busy} {
    COFFER_ASSERT(!busy);
    busy = true;
  }
  ~in_use() { busy_ = false; }
  in_use(const in_use&) = delete;
  in_use& operator=(const in_use&) = delete;

 private:
  bool& busy_;
};

}  // namespace

bool connection::impl::alive() {
  if (!pg) {
    return false;
  }
  pollfd socket_now{PQsocket(pg.get()), POLLIN, 0};
  if (::poll(&socket_now, 1, 0) > 0) {
    const bool open = PQconsumeInput(pg.get()) == 1;
    while (PGnotify* ignored = PQnotifies(pg.get())) {
      PQfreemem(ignored);
    }
    return open && !pg.farewell().fatal && PQstatus(pg.get()) == CONNECTION_OK;
  }
  return PQstatus(pg.get()) == CONNECTION_OK;
}

void connection::impl::check_ready(net::deadline until) {
  if (!pg) {
    throw error{failure::closed, "the connection is closed"};
  }
  if (net::deadline::clock::now() >= until) {
    throw expired_before_sending(true);
  }
  if (!alive()) {
    const server_message farewell = pg.farewell();
    drop();
    throw lost_before_sending(farewell);
  }
}

transaction_state connection::impl::state() const noexcept {
  switch (PQtransactionStatus(pg.get())) {
    case PQTRANS_IDLE:
      return transaction_state::idle;
    case PQTRANS_ACTIVE:
      return transaction_state::active;
    case PQTRANS_INTRANS:
      return transaction_state::in_transaction;
    case PQTRANS_INERROR:
      return transaction_state::in_failed_transaction;
    case PQTRANS_UNKNOWN:
      break;
  }
  return transaction_state::unknown;
}

net::task<> connection::impl::wait_for_input(std::size_t unanswered) {
  // While something is left to write, the server may be waiting for us to read: wait for either.
  const bool writing = PQflush(pg.get()) == 1;
  if (co_await watch.wait(writing ? interest::read_or_write : interest::read) == readiness::expired) {
    drop();
    error::details known;
    known.delivered = delivery::unknown;
    known.statement_index = unanswered;
    throw error{failure::timed_out, "no answer before the deadline; the connection was dropped", std::move(known)};
  }
  // When this fails, what the server said before it went is still to be taken.
  PQconsumeInput(pg.get());
}

error connection::impl::lost(const std::optional<pipeline_failure>& said, std::size_t unanswered, bool out_of_step) {
  error::details known;
  known.delivered = delivery::unknown;
  known.statement_index = said ? said->statement : unanswered;
  known.state = said && said->said.state != sqlstate::none ? said->said.state : sqlstate::connection_failure;
  std::string message = said ? said->said.text : first_line(PQerrorMessage(pg.get()));
  drop();
  if (out_of_step) {
    known.state = sqlstate::protocol_violation;
    return error{failure::protocol, "an answer that nothing asked for; the connection was dropped", std::move(known)};
  }
  return error{failure::lost, message, std::move(known)};
}

error connection::impl::refused(const pipeline_failure& said) {
  error::details known;
  known.state = said.said.state;
  known.delivered = delivery::answered;
  known.connection_usable = !spoils_session(known.state);
  known.statement_index = said.statement;
  known.constraint = said.said.constraint;
  if (!known.connection_usable) {
    drop();
  }
  return error{failure::statement, said.said.text, std::move(known)};
}

session_setup connection::impl::next_setup(const pipeline& statements) const {
  using position = session_setup::place;
  if (prepared) {
    return {set_up ? position::nowhere : position::before, &setup};
  }
  if (state() != transaction_state::idle || statements.size() == 0) {
    return {};
  }
  const std::string_view first = statements.entries().front().what->sql;
  return {first.starts_with("begin") ? position::after_begin : position::inside, &setup};
}

void connection::impl::check_replicated(std::size_t statements) {
  if (!pg || !pg.take_unreplicated()) {
    return;
  }
  error::details known;
  known.state = sqlstate::statement_completion_unknown;
  known.delivered = delivery::unknown;
  known.connection_usable = true;
  known.statement_index = statements == 0 ? 0 : statements - 1;
  throw error{failure::statement, "the commit's wait for a synchronous standby was cancelled", std::move(known)};
}

connection::connection(std::unique_ptr<impl> i) : impl_{std::move(i)} {}

connection::~connection() = default;

net::task<std::unique_ptr<connection>> connection::open(net::executor ex, options how, net::deadline until) {
  const bool prepared = how.prepared;
  pipeline::entry setup = setup_of(conninfo{how}.settings(), !prepared);
  handle pg = co_await connect(ex, std::move(how), until);
  PQsetnonblocking(pg.get(), 1);
  PQenterPipelineMode(pg.get());
  auto made = std::make_unique<impl>(ex, std::move(pg), prepared, std::move(setup));
  made->watch.assign(PQsocket(made->pg.get()));
  co_return std::unique_ptr<connection>{new connection{std::move(made)}};
}

net::task<std::vector<rows>> connection::run(pipeline statements, net::deadline until) {
  impl& self = *impl_;
  const in_use mark{self.busy};
  self.check_ready(until);
  pipeline_run talk{self.pg.get(), self.prepared ? &self.cache : nullptr, statements, self.next_setup(statements)};
  if (!talk.send()) {
    throw self.lost(talk.failure(), 0, false);
  }
  self.watch.set_deadline(until);
  progress now_at = progress::waiting;
  while (now_at == progress::waiting) {
    co_await self.wait_for_input(talk.unanswered());
    now_at = talk.take();
  }
  self.watch.clear_deadline();
  if (now_at == progress::lost) {
    throw self.lost(talk.failure(), talk.unanswered(), talk.out_of_step());
  }
  if (self.prepared && talk.setup_failed()) {
    // What came behind ran without them.
    throw self.lost(talk.failure(), 0, false);
  }
  self.set_up = true;
  self.check_replicated(statements.size());
  if (talk.failure()) {
    throw self.refused(*talk.failure());
  }
  COFFER_ASSERT(talk.results().size() == statements.size());
  co_return std::move(talk.results());
}

net::task<rows> connection::query(const statement& what, params with, net::deadline until) {
  pipeline one;
  one.add(what, std::move(with));
  std::vector<rows> results = co_await run(std::move(one), until);
  co_return std::move(results.front());
}

net::task<rows> connection::execute(std::string sql, net::deadline until) {
  impl& self = *impl_;
  if (self.prepared && !self.set_up) {
    co_await run(pipeline{}, until);
  }
  const in_use mark{self.busy};
  self.check_ready(until);
  PGconn* pg = self.pg.get();
  // Several statements in one message exist in the simple protocol only, which a pipeline does not speak.
  COFFER_ASSERT(PQexitPipelineMode(pg) == 1);
  if (PQsendQuery(pg, sql.c_str()) != 1) {
    throw self.lost(std::nullopt, 0, false);
  }
  self.watch.set_deadline(until);
  rows last;
  std::optional<pipeline_failure> failed;
  std::size_t count = 0;
  for (bool done = false; !done;) {
    while (PQisBusy(pg) != 0) {
      co_await self.wait_for_input(count);
    }
    owned_result result{PQgetResult(pg)};
    if (!result) {
      break;
    }
    switch (PQresultStatus(result.get())) {
      case PGRES_COMMAND_OK:
      case PGRES_TUPLES_OK:
      case PGRES_EMPTY_QUERY:
        last = rows{std::move(result)};
        ++count;
        break;
      case PGRES_FATAL_ERROR:
        if (!failed) {
          failed = pipeline_failure{message_of(result.get()), count};
        }
        done = failed->said.fatal || PQstatus(pg) == CONNECTION_BAD;
        break;
      case PGRES_COPY_OUT:
      case PGRES_COPY_IN:
      case PGRES_COPY_BOTH:
      case PGRES_BAD_RESPONSE:
      case PGRES_NONFATAL_ERROR:
      case PGRES_SINGLE_TUPLE:
      case PGRES_PIPELINE_SYNC:
      case PGRES_PIPELINE_ABORTED:
#ifdef LIBPQ_HAS_CHUNK_MODE
      case PGRES_TUPLES_CHUNK:
#endif
        throw self.lost(std::nullopt, count, true);
    }
  }
  self.watch.clear_deadline();
  if (PQstatus(pg) == CONNECTION_BAD || (failed && failed->said.fatal)) {
    throw self.lost(failed, count, false);
  }
  COFFER_ASSERT(PQenterPipelineMode(pg) == 1);
  self.check_replicated(count);
  if (failed) {
    throw self.refused(*failed);
  }
  co_return last;
}

transaction_state connection::state() const noexcept { return impl_->state(); }

bool connection::usable() const noexcept { return static_cast<bool>(impl_->pg); }

bool connection::check_alive() {
  COFFER_ASSERT(!impl_->busy);
  if (impl_->pg && !impl_->alive()) {
    impl_->drop();
  }
  return usable();
}

bool connection::displaced() const noexcept { return impl_->pg && impl_->target.is_lost(impl_->pg.get()); }

std::int64_t connection::server_version() const noexcept { return PQserverVersion(impl_->pg.get()); }

std::string_view connection::server_encoding() const noexcept {
  const char* said = PQparameterStatus(impl_->pg.get(), "server_encoding");
  return said == nullptr ? std::string_view{"unknown"} : std::string_view{said};
}

std::int32_t connection::backend_pid() const noexcept { return PQbackendPID(impl_->pg.get()); }

std::string connection::peer() const {
  const PGconn* pg = impl_->pg.get();
  return pg == nullptr ? std::string{} : fmt::format("{}:{}", PQhost(pg), PQport(pg));
}

std::chrono::steady_clock::time_point connection::opened_at() const noexcept { return impl_->opened; }

void connection::close() {
  COFFER_ASSERT(!impl_->busy);
  impl_->drop();
}

}  // namespace coffer::pg
