// The part of a session that sends a body while it is made.
#include <exception>
#include <utility>

#include <fmt/format.h>

#include "coffer/base/exception.hpp"
#include "coffer/base/log.hpp"
#include "coffer/http/http_metrics.hpp"
#include "coffer/http/session.hpp"

namespace coffer::http {

namespace {

/// Appends one chunk (RFC 9112 section 7.1); the empty one is the last.
void append_chunk(std::string& out, std::string_view piece) {
  fmt::format_to(std::back_inserter(out), "{:x}\r\n", piece.size());
  out.append(piece).append("\r\n");
}

}  // namespace

net::task<bool> session::stream(std::shared_ptr<body_source> source) {
  const bool chunked = request_.minor_version > 0;
  // Until there is a piece, the client may be told to go on with its upload.
  std::string head = std::exchange(out_, {});
  for (bool more = true; more;) {
    std::exception_ptr failure;
    std::string piece;
    try {
      piece = co_await source->next(net::deadline_in(limits_.request_time));
    } catch (...) {
      failure = std::current_exception();
    }
    if (failure) {
      const std::string what = describe(failure);
      http_metrics::get().stream_failures.add();
      log::error("body ended too early", {{"request_id", std::string_view{request_.request_id}},
                                          {"path", request_.path()},
                                          {"message", std::string_view{what}}});
      reset();
      co_return false;
    }
    more = !piece.empty();
    out_ = std::exchange(head, {});
    if (chunked) {
      append_chunk(out_, piece);
    } else {
      out_ += piece;
    }
    if (!co_await send_all()) {
      co_return false;
    }
  }
  co_return true;
}

}  // namespace coffer::http
