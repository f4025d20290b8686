// A response body that is made while it is sent, for answers that must not be held in memory as a whole.
#pragma once

#include <string>

#include "coffer/net/task.hpp"

namespace coffer::http {

/// Gives a body piece by piece. The head of the answer goes out with the first piece, so that a source that reads an
/// upload has taken some of it by then (RFC 9110 section 10.1.1). The session asks for the next piece when the client
/// has taken the one before, so one piece is in memory at a time, and a slow client slows the source down. A piece
/// should be some 10 to 100 KiB.
class body_source {
 public:
  virtual ~body_source() = default;

  /// The next piece; an empty one is the end and is not asked beyond. `until` is limits::request_time from now. An
  /// exception makes the session reset the connection: the client sees that the body is not whole.
  virtual net::task<std::string> next(net::deadline until) = 0;
};

}  // namespace coffer::http
