// A receiver of webhooks that keeps what it was sent, and answers as a test says.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "coffer/http/handler.hpp"
#include "coffer/http/server.hpp"

namespace coffer::test {

/// One request of a sender.
struct webhook_request {
  std::string id;
  std::string timestamp;
  std::string signature;
  std::string body;
};

/// What a receiver does with one.
struct webhook_reply {
  int status = 204;
  std::chrono::milliseconds delay{};
  bool endless = false;    ///< a body without end
  std::string location{};  ///< of a redirect
};

/// An HTTP server on 127.0.0.1 until the end of its scope.
class webhook_receiver {
 public:
  /// What to do with the n-th request, from 0 on. Called on the receiver's thread.
  using behaviour = std::function<webhook_reply(const webhook_request&, std::size_t n)>;

  explicit webhook_receiver(
      behaviour answer = [](const webhook_request&, std::size_t) { return webhook_reply{}; },
      std::shared_ptr<const net::tls_context> tls = nullptr, const std::string& listen = "127.0.0.1:0");
  ~webhook_receiver();
  webhook_receiver(const webhook_receiver&) = delete;
  webhook_receiver& operator=(const webhook_receiver&) = delete;

  [[nodiscard]] std::uint16_t port() const { return server_->port(); }
  /// "http://127.0.0.1:PORT/hook"
  [[nodiscard]] std::string url(const std::string& scheme = "http") const;
  /// All requests so far.
  [[nodiscard]] std::vector<webhook_request> requests() const;
  [[nodiscard]] std::size_t count() const;

 private:
  class taker;

  std::unique_ptr<taker> taker_;
  std::unique_ptr<asio::io_context> context_;
  std::unique_ptr<asio::executor_work_guard<net::executor>> guard_;
  std::unique_ptr<http::server> server_;
  std::jthread thread_;
};

/// The signature (by Standard Webhooks 1.0) that a message must have under the secret "whsec_...".
std::string webhook_signature(const std::string& secret, const webhook_request& of);

}  // namespace coffer::test
