// Looks host names up away from the event loop, which libpq would do in the middle of it. Only for the sources of this
// folder.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "coffer/net/task.hpp"
#include "coffer/net/waiter.hpp"
#include "coffer/pg/conninfo.hpp"
#include "coffer/pg/error.hpp"

namespace coffer::pg {

namespace detail {

/// What a lookup found.
struct lookup_result {
  std::vector<std::string> addresses;
  std::string failure = "no answer from the name service in time";
  bool timed_out = true;
};

/// A lookup that its waiter may leave early: getaddrinfo, which runs on a thread of asio's, cannot be stopped. Owned by
/// its two operations alone; `result` lies in the waiting frame, which lives as long as `waiting` is set.
struct lookup : std::enable_shared_from_this<lookup> {
  using resolver_type = asio::ip::basic_resolver<asio::ip::tcp, net::executor>;

  lookup(const net::executor& ex, lookup_result* into, net::waiter::handler h)
      : resolver{ex}, timer{ex}, result{into}, waiting{std::move(h)} {}

  void start(const std::string& name, net::deadline until) {
    const auto self = shared_from_this();
    // As libpq asks: no filter by the addresses of this machine, which would hide loopback ones.
    resolver.async_resolve(name, "", resolver_type::flags{},
                           [self](const asio::error_code& failed, const auto& found) { self->finish(failed, found); });
    timer.expires_at(until);
    timer.async_wait([self](const asio::error_code& stopped) {
      if (!stopped) {
        // What is still in the queue of the thread that looks up is skipped there. Otherwise a name service that is
        // slower than the attempts would leave a queue that grows, and attempts would fail long after it is well again.
        self->resolver.cancel();
      }
      self->waiting.resume();
    });
  }

  template <typename Results>
  void finish(const asio::error_code& failed, const Results& found) {
    if (waiting) {
      result->timed_out = false;
      result->failure = failed ? failed.message() : std::string{};
      for (const auto& entry : found) {
        std::string address = entry.endpoint().address().to_string();
        if (std::find(result->addresses.begin(), result->addresses.end(), address) == result->addresses.end()) {
          result->addresses.push_back(std::move(address));
        }
      }
      timer.cancel();
      waiting.resume();
    }
  }

  resolver_type resolver;
  net::steady_timer timer;
  lookup_result* result;
  net::waiter waiting;
};

inline net::task<lookup_result> look_up(net::executor ex, std::string name, net::deadline until) {
  lookup_result result;
  auto begin = [&](auto&& h) {
    std::make_shared<lookup>(ex, &result, std::forward<decltype(h)>(h))->start(name, until);
  };
  co_await net::suspend(begin);
  co_return result;
}

/// Not a socket's directory ('@': an abstract one), not an address, and without an address beside it.
inline bool is_name(const conninfo::host& h) {
  if (h.name.empty() || !h.address.empty() || h.name.starts_with('/') || h.name.starts_with('@')) {
    return false;
  }
  asio::error_code not_an_address;
  asio::ip::make_address(h.name, not_an_address);
  return static_cast<bool>(not_an_address);
}

inline error unresolved(const std::string& name, const lookup_result& result) {
  error::details known;
  known.state = sqlstate::cannot_establish_connection;
  return error{result.timed_out ? failure::timed_out : failure::connect,
               "the host \"" + name + "\" was not found: " + result.failure, std::move(known)};
}

}  // namespace detail

/// Gives every host of `info` that is a name its addresses, one entry each in the resolver's order. A name that is not
/// found is left out. Throws error{failure::connect} when no host remains, failure::timed_out when `until` passes.
inline net::task<> resolve_hosts(net::executor ex, conninfo* info, net::deadline until) {
  std::vector<conninfo::host> resolved;
  std::optional<error> failed;
  const std::vector<conninfo::host> asked = info->hosts();
  for (const conninfo::host& h : asked) {
    if (!detail::is_name(h)) {
      resolved.push_back(h);
      continue;
    }
    const detail::lookup_result found = co_await detail::look_up(ex, h.name, until);
    if (found.addresses.empty()) {
      failed = detail::unresolved(h.name, found);
    }
    for (const std::string& address : found.addresses) {
      resolved.push_back(h);
      resolved.back().address = address;
    }
  }
  if (resolved.empty() && failed) {
    throw error{*failed};
  }
  info->replace_hosts(std::move(resolved));
}

}  // namespace coffer::pg
