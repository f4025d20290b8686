// A database that is far away: passes bytes between clients and a PostgreSQL on this machine, each of them DELAY
// microseconds after it came. The delay is kept for each piece by itself, so that it costs time and no throughput. What
// arrives first is passed on first. Nothing is read from the bytes.
//
// usage: slow_wire SOCKET DELAY      SOCKET is PostgreSQL's Unix socket; listens on 127.0.0.1 until it is killed, and
//                                    prints its port

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "coffer/net/asio.hpp"

namespace {

using steady = std::chrono::steady_clock;
using tcp = asio::ip::tcp;
using local = asio::local::stream_protocol;

/// Both ends of a connection. They are closed when the last of its two directions has ended.
struct link {
  tcp::socket client;
  local::socket database;
};

/// One direction: reads as fast as it can, and writes each piece when it is due.
template <class From, class To>
class direction : public std::enable_shared_from_this<direction<From, To>> {
 public:
  direction(std::shared_ptr<link> whole, From& from, To& to, steady::duration delay)
      : whole_{std::move(whole)}, from_{from}, to_{to}, delay_{delay}, due_{from.get_executor()} {}

  void read() {
    from_.async_read_some(asio::buffer(buffer_), [self = this->shared_from_this()](asio::error_code failed,
                                                                                   std::size_t size) {
      // An empty piece is the end: it takes as long as any other.
      self->pieces_.emplace_back(steady::now() + self->delay_, std::string{self->buffer_.data(), failed ? 0 : size});
      if (self->pieces_.size() == 1) {
        self->wait();
      }
      if (!failed) {
        self->read();
      }
    });
  }

 private:
  void wait() {
    if (delay_ == steady::duration::zero()) {
      write();
      return;
    }
    due_.expires_at(pieces_.front().first);
    due_.async_wait([self = this->shared_from_this()](asio::error_code) { self->write(); });
  }

  void write() {
    if (pieces_.front().second.empty()) {
      asio::error_code gone;
      to_.shutdown(To::shutdown_send, gone);
      return;
    }
    asio::async_write(to_, asio::buffer(pieces_.front().second),
                      [self = this->shared_from_this()](asio::error_code failed, std::size_t) {
                        if (failed) {
                          asio::error_code gone;
                          self->from_.shutdown(From::shutdown_both, gone);
                          return;
                        }
                        self->pieces_.pop_front();
                        if (!self->pieces_.empty()) {
                          self->wait();
                        }
                      });
  }

  std::shared_ptr<link> whole_;
  From& from_;
  To& to_;
  steady::duration delay_;
  asio::basic_waitable_timer<steady> due_;
  std::deque<std::pair<steady::time_point, std::string>> pieces_;
  std::array<char, 65536> buffer_;
};

template <class From, class To>
void pass(const std::shared_ptr<link>& whole, From& from, To& to, steady::duration delay) {
  std::make_shared<direction<From, To>>(whole, from, to, delay)->read();
}

void serve(tcp::acceptor& listener, const local::endpoint& database, steady::duration delay) {
  listener.async_accept([&listener, &database, delay](asio::error_code failed, tcp::socket client) {
    auto whole = std::make_shared<link>(std::move(client), local::socket{listener.get_executor()});
    if (!failed) {
      whole->database.connect(database, failed);
    }
    if (!failed) {
      whole->client.set_option(tcp::no_delay{true});
      pass(whole, whole->client, whole->database, delay);
      pass(whole, whole->database, whole->client, delay);
    }
    serve(listener, database, delay);
  });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: slow_wire SOCKET DELAY\n", stderr);
    return 2;
  }
  try {
    const local::endpoint database{argv[1]};
    asio::io_context context{1};
    tcp::acceptor listener{context, tcp::endpoint{asio::ip::make_address("127.0.0.1"), 0}};
    fmt::print("{}\n", listener.local_endpoint().port());
    std::fflush(stdout);
    serve(listener, database, std::chrono::microseconds{std::atoll(argv[2])});
    context.run();
  } catch (const std::exception& e) {
    fmt::print(stderr, "slow_wire: {}\n", e.what());
    return 2;
  }
  return 0;
}
