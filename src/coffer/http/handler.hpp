// What a session needs from the application.
#pragma once

#include <variant>

#include "coffer/http/request.hpp"
#include "coffer/http/response.hpp"
#include "coffer/net/task.hpp"

namespace coffer::http {

/// A response that is there at once, or the coroutine that will have it: what needs to wait for nothing costs no
/// coroutine.
using eventual_response = std::variant<response, net::task<response>>;

/// Answers requests. One instance per thread; several requests are in flight at once.
class handler {
 public:
  virtual ~handler() = default;

  /// Answers a request whose head is there. Its body, if it has one, is read by request::stream alone; a small one that
  /// nobody reads is skipped, any other ends the connection behind the answer. `r` stays valid until the response is
  /// there, and with a stream until the response's source has given its end or is destroyed. Should not throw; an
  /// exception becomes a 500.
  virtual eventual_response handle(request& r) = 0;

  /// The answer to what the parser or the session refuses. `r` holds what had been read, at least a request id.
  virtual response reject(const rejection& why, const request& r) = 0;
};

}  // namespace coffer::http
