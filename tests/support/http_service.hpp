// An HTTP server on threads of its own, with a handler whose behaviour the path chooses.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "coffer/http/handler.hpp"
#include "coffer/http/server.hpp"
#include "support/raw_request.hpp"

namespace coffer::test {

/// A request that http_service answers at once.
inline const std::string get_echo = raw_request("GET /echo");

/// Answers by path:
///   /echo        200, "METHOD TARGET BODY"
///   /wait?N      200 "waited" after N milliseconds
///   /throw       throws
///   /size?N      200 with N bytes
///   /shared?N    200 with N bytes that all answers have in common; the N of the first request
///   /stream?N    200 with N pieces of 100 000 bytes, made while they are sent
///   /broken?N    as /stream, but the piece after the last throws
///   /close       200, and asks for the end of the connection
///   /upload/...  takes a body while it arrives, see upload_paths.hpp
///   others       404
/// All but /upload/ read their bodies before they do anything.
/// reject() answers the code as plain text.
class path_handler : public http::handler {
 public:
  http::eventual_response handle(http::request& r) override;
  http::response reject(const http::rejection& why, const http::request& r) override;

  /// What /shared answers with.
  std::shared_ptr<const std::string> shared;
  /// Requests that handle() was called for.
  std::atomic<int> handled{0};
  /// Pieces that streamed answers were asked for.
  std::atomic<int> pieces{0};
  /// Bytes of uploads that were taken.
  std::atomic<std::size_t> taken{0};
  /// When the last request that was rejected had come, in ticks of its clock.
  std::atomic<std::chrono::steady_clock::rep> rejected_at{0};

 private:
  net::task<http::response> collect_and_answer(http::request& r);
  http::eventual_response answer(http::request& r);
};

/// A server on 127.0.0.1 that runs until stop() or the end of its scope.
class http_service {
 public:
  explicit http_service(const http::limits& most = {}, std::size_t threads = 1);
  ~http_service();

  [[nodiscard]] std::uint16_t port() const { return server_->port(); }
  [[nodiscard]] std::size_t connections() const { return server_->connections(); }
  [[nodiscard]] int handled() const { return handler_.handled; }
  [[nodiscard]] int pieces() const { return handler_.pieces; }
  [[nodiscard]] std::size_t taken() const { return handler_.taken; }
  [[nodiscard]] std::chrono::steady_clock::time_point rejected_at() const {
    return std::chrono::steady_clock::time_point{std::chrono::steady_clock::duration{handler_.rejected_at}};
  }
  /// Starts stop() with this much time; false when connections had to be cut. Call once.
  bool stop(std::chrono::milliseconds limit = std::chrono::seconds{10});
  /// Waits until that many connections are open.
  bool wait_for_connections(std::size_t count, std::chrono::milliseconds limit = std::chrono::seconds{5}) const;

 private:
  path_handler handler_;
  std::vector<std::unique_ptr<asio::io_context>> contexts_;
  std::vector<asio::executor_work_guard<net::executor>> guards_;
  std::unique_ptr<http::server> server_;
  std::vector<std::jthread> threads_;
  bool stopped_ = false;
};

}  // namespace coffer::test
