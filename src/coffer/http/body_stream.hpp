// A request body that is read while it arrives, for uploads that must not be held in memory as a whole.
#pragma once

#include <cstdint>
#include <string>

#include "coffer/http/response.hpp"
#include "coffer/net/task.hpp"

namespace coffer::http {

/// Gives a body piece by piece. Nothing is read from the client but on behalf of take() and wait(), so that a handler
/// that is slow, or waits for the client to read its answer, slows the upload down. What a handler leaves unread ends
/// the connection behind the answer.
class body_stream {
 public:
  enum class status : std::uint8_t {
    data,     ///< there is a piece
    nothing,  ///< nothing has arrived: wait()
    end,      ///< the body was whole
    stopped,  ///< the server stops and takes no more of it
    failed,   ///< it is malformed, too large or late, or the client is gone: failure() says which
  };

  /// The next piece into `piece`, which is emptied first; at most limits::pipelined bytes. Does not wait. `end`,
  /// `stopped` and `failed` are for ever.
  virtual status take(std::string& piece) = 0;

  /// Waits until take() has something to say besides `nothing`. Says "100 Continue" to a client that waits for it. Ends
  /// after limits::stream_idle at the latest, or when stream_rate is not kept; the stream has failed then.
  virtual net::task<> wait() = 0;

  /// Why it failed. With status `failed` only.
  [[nodiscard]] virtual const rejection& failure() const = 0;

 protected:
  ~body_stream() = default;
};

}  // namespace coffer::http
