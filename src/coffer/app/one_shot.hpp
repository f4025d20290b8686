// How a command that does one thing and exits does it: one event loop, one session with the database, and whatever
// fails is a sentence for the operator.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "coffer/app/database_options.hpp"
#include "coffer/app/schema_state.hpp"
#include "coffer/net/task.hpp"
#include "coffer/pg/connection.hpp"

namespace coffer::app {

/// Why a command could not do its work, in sentences for the operator that name the remedy.
class command_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

namespace detail {

/// What `work` gives on an event loop of its own that `turn` runs; nullopt when it is not done then.
template <typename T, typename Turn>
std::optional<T> outcome_of(net::task<T> work, Turn turn) {
  asio::io_context context{1};
  std::optional<T> value;
  std::exception_ptr failure;
  asio::co_spawn(context, std::move(work), [&](std::exception_ptr e, T v) {
    failure = e;
    if (!e) {
      value.emplace(std::move(v));
    }
  });
  turn(context);
  if (failure) {
    std::rethrow_exception(failure);
  }
  return value;
}

}  // namespace detail

/// Blocks until `work` is done, which must carry its own deadlines; gives its result or rethrows what it throws.
template <typename T>
T run_blocking(net::task<T> work) {
  return detail::outcome_of(std::move(work), [](asio::io_context& context) { context.run(); }).value();
}

/// As above, but no longer than `limit`: nullopt when it is not done then.
template <typename T>
std::optional<T> run_blocking_for(std::chrono::milliseconds limit, net::task<T> work) {
  return detail::outcome_of(std::move(work), [limit](asio::io_context& context) { context.run_for(limit); });
}

/// Whether a command needs the schema that this program was built for.
enum class schema_demand : std::uint8_t { none, ready };

namespace detail {

template <typename Work>
auto with_own_connection(pg::options how, schema_demand demand, Work work)
    -> std::invoke_result_t<Work&, pg::connection&> {
  const net::executor ex = co_await asio::this_coro::executor;
  const net::deadline until = net::deadline_in(how.connect_timeout);
  const std::unique_ptr<pg::connection> db = co_await pg::connection::open(ex, std::move(how), until);
  if (demand == schema_demand::ready) {
    const schema_report schema = co_await check_schema(*db, net::deadline_in(std::chrono::seconds{10}));
    if (schema.state != schema_state::ready) {
      throw command_error(schema.message);
    }
  }
  co_return co_await work(*db);
}

}  // namespace detail

/// Runs `work()` and gives its result; a failure of the database becomes a command_error.
template <typename Work>
auto told_to_operator(Work work) {
  try {
    return work();
  } catch (const pg::error& e) {
    if (e.state() == pg::sqlstate::undefined_table) {
      throw command_error("the schema is missing or older than this program: run `coffer migrate up`");
    }
    throw command_error(fmt::format("{}. Check --database-url or DATABASE_URL, and that the server runs", e.what()));
  }
}

/// Runs `work(connection)`, a task, in a session of its own, blocks until it is done and gives its result. Throws
/// command_error also for what the database refuses, and where it cannot be reached.
template <typename Work>
auto on_database(pg::options how, schema_demand demand, Work work) {
  return told_to_operator(
      [&] { return run_blocking(detail::with_own_connection(std::move(how), demand, std::move(work))); });
}

}  // namespace coffer::app
