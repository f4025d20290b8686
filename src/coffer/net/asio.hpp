// The only place that includes asio and hides the differences between its versions.
#pragma once

#ifdef __GNUC__
#pragma GCC system_header
#endif

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/basic_socket_acceptor.hpp>
#include <asio/basic_stream_socket.hpp>
#include <asio/basic_waitable_timer.hpp>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/generic/stream_protocol.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/address.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/posix/basic_stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/read.hpp>
#include <asio/signal_set.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/version.hpp>
#include <asio/write.hpp>

// as_tuple left the experimental namespace in asio 1.24 and was removed from there in 1.33.
#if ASIO_VERSION >= 102400
#include <asio/as_tuple.hpp>
namespace coffer::net::detail {
using asio::as_tuple_t;
}
#else
#include <asio/experimental/as_tuple.hpp>
namespace coffer::net::detail {
using asio::experimental::as_tuple_t;
}
#endif
