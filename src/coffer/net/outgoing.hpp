// HTTP requests to others' servers, by libcurl on a thread of its own. Knows no economy.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "coffer/net/task.hpp"

namespace coffer::net {

/// Whom requests may reach, and how many at a time.
struct outgoing_options {
  /// Plain http and addresses that are not public: loopback, private, link-local and the like.
  bool allow_private = false;
  std::string ca_file;            ///< PEM file of the authorities that are trusted; empty: the system's
  std::size_t connections = 300;  ///< open at once, idle ones included
};

/// A POST.
struct outgoing_request {
  std::string url;
  std::vector<std::string> headers;  ///< "Name: value"
  std::string body;
  std::chrono::milliseconds time{};  ///< for all of it: the name's look-up, TLS, the answer
};

/// What became of a request.
struct outgoing_answer {
  enum class end : std::uint8_t {
    answered,     ///< there is a status
    timed_out,    ///< there was none in time
    unreachable,  ///< no connection, or it broke before there was a status
    forbidden,    ///< the host has no address that may be called
    untrusted,    ///< its certificate is not valid for it
  };
  end ended = end::unreachable;
  int status = 0;       ///< 0: none
  std::string message;  ///< of what is not answered, for people
  std::string body;     ///< the first kept_body bytes
  std::chrono::milliseconds took{};
};

/// Sends requests. Redirects are answers like others and never followed; the environment's proxies are not used; a
/// body that does not end is cut off. May be called on any thread.
class outgoing {
 public:
  /// Bytes of an answer's body that are kept, and that are read at all before the connection is closed.
  static constexpr std::size_t kept_body = 1024;
  static constexpr std::size_t longest_body = std::size_t{64} << 10U;

  explicit outgoing(outgoing_options how);
  ~outgoing();
  outgoing(const outgoing&) = delete;
  outgoing& operator=(const outgoing&) = delete;

  /// Sends, and resumes the caller on its own executor. It must be awaited to its end, as oneshot says.
  task<outgoing_answer> post(outgoing_request request);

  /// Ends what is under way as unreachable, and everything that comes.
  void stop();

 private:
  struct state;
  std::unique_ptr<state> state_;
};

/// Whether `url` can be called under these rules as far as it can be told without a look-up. The error completes "must
/// ...".
std::expected<void, std::string> check_outgoing_url(std::string_view url, bool allow_private);

}  // namespace coffer::net
