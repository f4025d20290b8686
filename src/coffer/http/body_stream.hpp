// A request body on its way: nothing of it is read before the handler asks.
#pragma once

#include <cstdint>
#include <string>

#include "coffer/http/response.hpp"
#include "coffer/net/task.hpp"

namespace coffer::http {

/// Gives a body as a whole, by collect(), or piece by piece, by take(), for uploads that must not be held in memory.
/// Nothing is read from the client but on behalf of these and wait(), so that a handler that is slow, or waits for the
/// client to read its answer, slows the upload down.
class body_stream {
 public:
  enum class status : std::uint8_t {
    data,     ///< there is a piece
    nothing,  ///< nothing has arrived: wait()
    end,      ///< the body was whole
    stopped,  ///< the server stops and takes no more of it
    failed,   ///< it is malformed, too large or late, or the client is gone: failure() says which
  };

  /// Reads on, up to the whole body in request::body: `end`. Its limits are limits::body and limits::body_time. Does
  /// not wait. A body is taken in one of the two ways, not in both.
  virtual status collect() = 0;

  /// The next piece into `piece`, which is emptied first; at most limits::pipelined bytes. Does not wait. `end`,
  /// `stopped` and `failed` are for ever.
  virtual status take(std::string& piece) = 0;

  /// Waits until the other two have something to say besides `nothing`. Says "100 Continue" to a client that waits for
  /// it. Ends after limits::stream_idle at the latest, or when stream_rate is not kept, of a body that is collected
  /// when limits::body_time is over; the stream has failed then.
  virtual net::task<> wait() = 0;

  /// Why it failed. With status `failed` only.
  [[nodiscard]] virtual const rejection& failure() const = 0;

 protected:
  ~body_stream() = default;
};

}  // namespace coffer::http
