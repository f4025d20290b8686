// Turns bytes into requests, strictly and within limits. Sans I/O: knows neither sockets nor clocks. llhttp, behind it,
// is seen by parser_machine.hpp alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "coffer/http/limits.hpp"
#include "coffer/http/request.hpp"
#include "coffer/http/response.hpp"

namespace coffer::http {

/// Parses the requests of one connection, one after the other. Two readers must agree on each head: our own, which
/// finds the lines, and llhttp, which must end exactly where ours does. What one of them does not like is refused.
class parser {
 public:
  enum class status : std::uint8_t {
    need_more,  ///< call again with at least one byte more
    body,       ///< the head of a request with a body is complete, see bodies::in_pieces
    complete,   ///< the request is complete; call next() before its successor
    rejected,   ///< refusal() says why; the bytes that follow have no meaning, the connection must end
  };

  /// Where in a request the parser is.
  enum class phase : std::uint8_t {
    start,  ///< not a byte has come
    head,   ///< up to the empty line
    body,   ///< behind it
    done,   ///< complete or rejected
  };

  struct step {
    status result;
    std::size_t consumed;  ///< bytes at the front of what was fed that must not be fed again
  };

  /// How bodies are read.
  enum class bodies : std::uint8_t {
    whole,      ///< with their heads, within limits::body
    in_pieces,  ///< feed() returns behind the head, and then gives what it finds; within limits::streamed_body
  };

  /// `l` outlives the parser.
  explicit parser(const limits& l, bodies how = bodies::whole);
  ~parser();
  parser(const parser&) = delete;
  parser& operator=(const parser&) = delete;

  /// Reads on. `unread` is everything that has arrived and was not consumed: an incomplete head stays with the caller
  /// and is fed again with more behind it. `r` must be clear() at the start of each request and is filled as far as
  /// possible when the request is rejected; its request_id only with the client's, when that is acceptable. Of a
  /// body in pieces, r.body gets what a call found, behind what the caller left there; also when it ends in a
  /// rejection.
  step feed(std::string_view unread, request& r);

  /// Why the request was rejected.
  [[nodiscard]] const rejection& refusal() const;

  [[nodiscard]] phase where() const noexcept;

  /// The body in pieces that is to come counts as a whole one: limits::body is its limit. Refusal: content_too_large,
  /// when it has been declared larger.
  [[nodiscard]] std::optional<rejection> limit_to_whole();

  /// Whether the client waits for "100 Continue" before it sends the body. For a request in phase body.
  [[nodiscard]] bool expects_continue() const noexcept;

  /// Ready for the next request.
  void next() noexcept;

 private:
  struct machine;

  std::unique_ptr<machine> machine_;
};

}  // namespace coffer::http
