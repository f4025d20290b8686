// The coroutine type of the project, bound to one executor type so that asio needs no type erasure on the hot path.
#pragma once

#include <chrono>
#include <cstdint>

#include "coffer/net/asio.hpp"

namespace coffer::net {

/// The executor of every I/O object: one io_context per thread, run by that thread alone.
using executor = asio::io_context::executor_type;

/// A lazily started coroutine. It runs on the thread of the io_context it was spawned on.
template <typename T = void>
using task = asio::awaitable<T, executor>;

/// Completion token: throws asio::system_error on failure.
inline constexpr asio::use_awaitable_t<executor> use_task{};

/// Completion token: yields a tuple that starts with the error_code and never throws.
inline constexpr detail::as_tuple_t<asio::use_awaitable_t<executor>> as_tuple{asio::use_awaitable_t<executor>{}};

using tcp_socket = asio::basic_stream_socket<asio::ip::tcp, executor>;
using tcp_acceptor = asio::basic_socket_acceptor<asio::ip::tcp, executor>;
using descriptor = asio::posix::basic_stream_descriptor<executor>;
using steady_timer =
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, executor>;

/// A point on the monotonic clock after which waiting is pointless. One per request, passed down unchanged.
using deadline = std::chrono::steady_clock::time_point;

/// The deadline that lies `duration` from now.
inline deadline deadline_in(std::chrono::steady_clock::duration duration) {
  return std::chrono::steady_clock::now() + duration;
}

/// Suspends the calling coroutine for `duration`, as `Timer` counts it.
template <typename Timer = steady_timer>
task<> sleep_for(typename Timer::duration duration) {
  Timer timer{co_await asio::this_coro::executor, duration};
  co_await timer.async_wait(as_tuple);
}

}  // namespace coffer::net
