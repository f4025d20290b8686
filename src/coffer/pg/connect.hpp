// Makes connections: libpq's polling as a coroutine. Only for the sources of this folder.
#pragma once

#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "coffer/net/task.hpp"
#include "coffer/pg/conninfo.hpp"
#include "coffer/pg/error.hpp"
#include "coffer/pg/handle.hpp"
#include "coffer/pg/options.hpp"
#include "coffer/pg/resolve.hpp"
#include "coffer/pg/socket.hpp"

namespace coffer::pg {

namespace detail {

/// The host, its address and the port that libpq is trying.
struct endpoint {
  explicit endpoint(const PGconn* pg) : host{PQhost(pg)}, address{PQhostaddr(pg)}, port{PQport(pg)} {}
  bool operator==(const endpoint&) const = default;

  std::string host;
  std::string address;
  std::string port;
};

inline handle start(conninfo& info) {
  const conninfo::arrays arrays = info.to_arrays();
  PGconn* raw = PQconnectStartParams(arrays.keywords.data(), arrays.values.data(), 1);
  if (raw == nullptr) {
    throw std::bad_alloc{};
  }
  handle pg{raw};
  // Only this shows the SQLSTATE of a failed connect, inside the message.
  PQsetErrorVerbosity(raw, PQERRORS_VERBOSE);
  return pg;
}

inline error connect_error(const PGconn* pg) {
  const char* message = PQerrorMessage(pg);
  error::details known;
  known.state = state_of_connect_message(message);
  if (known.state == sqlstate::none) {
    known.state = sqlstate::cannot_establish_connection;
  }
  return error{failure::connect, summary_of_connect_message(message), std::move(known)};
}

/// Polls `pg` until it is connected (true) or one host has taken longer than `share` or `until` has passed (false).
inline net::task<bool> finish(PGconn* pg, socket* watch, std::chrono::steady_clock::duration share,
                              net::deadline until) {
  PostgresPollingStatusType next = PQstatus(pg) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
  endpoint current{pg};
  net::deadline host_until = std::min(until, net::deadline_in(share));
  for (;;) {
    switch (next) {
      case PGRES_POLLING_OK:
        co_return true;
      case PGRES_POLLING_FAILED:
        throw connect_error(pg);
      case PGRES_POLLING_ACTIVE:  // libpq never gives it any more
      case PGRES_POLLING_READING:
      case PGRES_POLLING_WRITING:
        break;
    }
    // libpq may close this socket and open another in the next step, often with the same number: epoll would then
    // watch nothing. So it is watched for one step only.
    watch->assign(PQsocket(pg));
    watch->set_deadline(host_until);
    const readiness how = co_await watch->wait(next == PGRES_POLLING_READING ? interest::read : interest::write);
    watch->release();
    if (how == readiness::expired) {
      co_return false;
    }
    next = PQconnectPoll(pg);
    if (endpoint now_trying{pg}; now_trying != current) {
      current = std::move(now_trying);
      host_until = std::min(until, net::deadline_in(share));
    }
  }
}

}  // namespace detail

/// A connected, authenticated session, still in blocking mode. Throws error{failure::connect} or failure::timed_out.
/// A host that does not answer within its share of the time is left for the next one, which libpq alone does not do.
inline net::task<handle> connect(net::executor ex, options how, net::deadline until) {
  until = std::min(until, net::deadline_in(how.connect_timeout));
  conninfo info{how};
  co_await resolve_hosts(ex, &info, until);
  const auto share = how.connect_timeout / static_cast<int>(info.host_count());
  for (std::size_t stalled = 0;;) {
    handle pg = detail::start(info);
    socket watch{ex};
    if (co_await detail::finish(pg.get(), &watch, share, until)) {
      PQsetErrorVerbosity(pg.get(), PQERRORS_DEFAULT);
      co_return pg;
    }
    const detail::endpoint silent{pg.get()};
    if (++stalled >= info.host_count() || net::deadline::clock::now() >= until ||
        !info.rotate_past(silent.host, silent.port)) {
      error::details known;
      known.state = sqlstate::cannot_establish_connection;
      const std::string message = "no answer from " + silent.host + " port " + silent.port;
      throw error{failure::timed_out, message, std::move(known)};
    }
  }
}

}  // namespace coffer::pg
