// A small blocking HTTP/1.1 client: keep-alive by default, raw bytes where a test needs them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/byte_link.hpp"
#include "support/json_value.hpp"

namespace coffer::test {

/// Names and values in order.
using header_list = std::vector<std::pair<std::string, std::string>>;

/// Whether one of them has that name, whatever its case.
bool names(const header_list& headers, std::string_view name);

/// One answer as it came.
struct http_response {
  int status = 0;
  std::string reason;
  header_list headers;
  std::string body;
  std::string head;  ///< status line and headers, as received, without the empty line

  /// The value of the first header of that name, whatever its case; nullopt when there is none.
  [[nodiscard]] std::optional<std::string> header(std::string_view name) const;
  /// How many headers have that name.
  [[nodiscard]] std::size_t count(std::string_view name) const;
  /// The body as JSON; throws std::runtime_error when it is none.
  [[nodiscard]] json_value json() const { return json_value::parse(body); }
  /// The member "code" of a problem body; empty for any other body.
  [[nodiscard]] std::string code() const;
};

/// Why there is no answer.
class http_failure : public std::runtime_error {
 public:
  enum class reason { connect, timeout, closed, reset, malformed };
  http_failure(reason r, const std::string& text) : std::runtime_error{text}, why{r} {}
  reason why;
};

/// A connection to 127.0.0.1, opened at the first use. A connection that the server has closed, or that ended with
/// "Connection: close", is opened anew by the next request; nothing is ever sent twice. Not thread-safe: one client
/// per thread.
class http_client {
 public:
  /// `timeout` bounds each connect and each whole answer.
  explicit http_client(std::uint16_t port, std::chrono::milliseconds timeout = std::chrono::seconds{10});
  ~http_client();
  http_client(http_client&& other) noexcept;
  http_client& operator=(http_client&& other) noexcept;

  /// Sends one request and reads its answer; throws http_failure. With a body, Content-Length is added, and
  /// Content-Type: application/json unless `headers` names one. Host is added unless `headers` names one.
  http_response request(std::string_view method, std::string_view target, const header_list& headers = {},
                        std::optional<std::string_view> body = std::nullopt);
  http_response get(std::string_view target, const header_list& headers = {}) {
    return request("GET", target, headers);
  }
  http_response post(std::string_view target, std::string_view body, const header_list& headers = {}) {
    return request("POST", target, headers, body);
  }
  http_response patch(std::string_view target, std::string_view body, const header_list& headers = {}) {
    return request("PATCH", target, headers, body);
  }

  /// Opens the connection if there is none.
  void connect();
  /// Sends these bytes and nothing else.
  void send_raw(std::string_view bytes);
  /// Reads one answer: to Content-Length, the last chunk, or the end. `to_head`: the request was a HEAD, no body
  /// follows. Answers 1xx, 204 and 304 have no body either; 100 is returned like any other.
  http_response read_response(bool to_head = false);
  /// Reads until the server closes or the timeout passes, and gives everything.
  std::string read_to_end();
  /// Whether the server closes the connection (or resets it) within `limit`. Bytes that come instead are kept for
  /// read_response.
  bool closed_within(std::chrono::milliseconds limit);
  /// Says that no more will be sent.
  void finish_sending();
  /// Closes; with a reset instead of a regular end when `abruptly`.
  void close(bool abruptly = false);

  [[nodiscard]] bool connected() const noexcept { return socket_ >= 0; }
  /// The socket, for options (SO_RCVBUF); -1 when there is none.
  [[nodiscard]] int native() const noexcept { return socket_; }
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  /// Connections from now on speak through links of that maker.
  void speak(link_maker maker) { link_maker_ = std::move(maker); }
  /// Connections from now on come from that address of this machine.
  void come_from(std::string address) { local_address_ = std::move(address); }
  /// The timeout of what follows.
  void set_timeout(std::chrono::milliseconds timeout) { timeout_ = timeout; }

 private:
  using clock = std::chrono::steady_clock;

  /// read_response, unrecorded.
  http_response receive_response(bool to_head);

  /// Reads what is there into the buffer, waiting until `end`. False at the end of the stream.
  bool receive(clock::time_point end);
  bool wait_for(short events, clock::time_point end) const;
  std::string take(std::size_t size, clock::time_point end);
  std::string take_line(clock::time_point end);
  std::string take_chunks(clock::time_point end);
  void read_head(http_response& answer, clock::time_point end);
  std::string read_body(const http_response& answer, clock::time_point end);

  std::uint16_t port_;
  std::chrono::milliseconds timeout_;
  std::string local_address_;
  int socket_ = -1;
  std::string buffer_;
  link_maker link_maker_;
  std::unique_ptr<byte_link> link_;
};

}  // namespace coffer::test
