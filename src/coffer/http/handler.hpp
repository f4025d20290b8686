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

  /// Whether the body of the request with this head goes to handle() as request::stream, while it arrives. Asked once
  /// per request that has a body, before its first byte is read.
  virtual bool streams(const request& head) const {
    static_cast<void>(head);
    return false;
  }

  /// Answers a request that is complete, or has a stream. `r` stays valid until the response is there, and with a
  /// stream until the response's source has given its end or is destroyed. Should not throw; an exception becomes
  /// a 500.
  virtual eventual_response handle(request& r) = 0;

  /// The answer to what the parser or the session refuses. `r` holds what had been read, at least a request id.
  virtual response reject(const rejection& why, const request& r) = 0;
};

}  // namespace coffer::http
