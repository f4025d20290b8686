// A kept-alive HTTP connection of the open-loop generator and what all of them count together.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "coffer/net/asio.hpp"
#include "histogram.hpp"

namespace bench {

using steady = std::chrono::steady_clock;
using tcp = asio::ip::tcp;

/// Requests and answers of all connections, by what became of them.
struct counters {
  std::uint64_t sent = 0;
  std::uint64_t done = 0;
  std::uint64_t refused = 0;     // 402, 409
  std::uint64_t overloaded = 0;  // 503
  std::uint64_t other = 0;
  std::uint64_t errors = 0;  // connections that broke or could not be made
  histogram from_schedule;
  histogram from_sending;
};

class connection;

/// Told that a connection can take the next request.
class owner {
 public:
  virtual void idle(connection& c) = 0;

 protected:
  ~owner() = default;
};

/// One kept-alive connection with at most one request on its way.
class connection {
 public:
  connection(asio::io_context& context, const tcp::endpoint& server, owner& o, counters& totals)
      : socket_{context}, server_{server}, owner_{o}, totals_{totals} {
    open();
  }

  [[nodiscard]] bool usable() const { return socket_.is_open(); }

  void send(std::string_view request, steady::time_point due) {
    due_ = due;
    sent_at_ = steady::now();
    ++totals_.sent;
    asio::error_code failed;
    // A request is far smaller than an empty socket's buffer.
    if (socket_.write_some(asio::buffer(request), failed) != request.size() || failed) {
      broken();
      return;
    }
    read();
  }

  void close() {
    asio::error_code ignored;
    socket_.close(ignored);
  }

 private:
  void open() {
    asio::error_code failed;
    socket_.connect(server_, failed);
    if (!failed) {
      socket_.set_option(tcp::no_delay{true}, failed);
      socket_.non_blocking(true, failed);
    }
    if (failed) {
      ++totals_.errors;
      close();
    }
  }

  void broken() {
    ++totals_.errors;
    close();
    open();
    answer_.clear();
    if (usable()) {
      owner_.idle(*this);
    }
  }

  void read() {
    socket_.async_read_some(asio::buffer(buffer_), [this](asio::error_code failed, std::size_t size) {
      if (failed == asio::error::operation_aborted) {
        return;
      }
      if (failed) {
        broken();
        return;
      }
      answer_.append(buffer_.data(), size);
      if (complete()) {
        account();
        answer_.clear();
        owner_.idle(*this);
      } else {
        read();
      }
    });
  }

  /// Whether the whole answer is there: the head and as much body as it announces.
  [[nodiscard]] bool complete() const {
    const std::size_t head = answer_.find("\r\n\r\n");
    if (head == std::string::npos) {
      return false;
    }
    constexpr std::string_view name = "\r\nContent-Length: ";
    const std::size_t at = answer_.find(name);
    const std::size_t body = at < head ? std::strtoul(answer_.c_str() + at + name.size(), nullptr, 10) : 0;
    return answer_.size() >= head + 4 + body;
  }

  void account() {
    const int status = std::atoi(answer_.c_str() + std::string_view{"HTTP/1.1 "}.size());
    if (status == 201 || status == 200) {
      const steady::time_point now = steady::now();
      ++totals_.done;
      totals_.from_schedule.record(now - due_);
      totals_.from_sending.record(now - sent_at_);
    } else {
      ++(status == 402 || status == 409 ? totals_.refused : status == 503 ? totals_.overloaded : totals_.other);
    }
  }

  tcp::socket socket_;
  tcp::endpoint server_;
  owner& owner_;
  counters& totals_;
  steady::time_point due_;
  steady::time_point sent_at_;
  std::array<char, 4096> buffer_{};
  std::string answer_;
};

}  // namespace bench
