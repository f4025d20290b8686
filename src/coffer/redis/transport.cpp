#include "coffer/redis/transport.hpp"

#include <sys/socket.h>

#include <utility>

namespace coffer::redis {

namespace {

/// Past this, what has been sent is cut off the buffer before all of it has been.
constexpr std::size_t compact_above = 64 * 1024;

bool would_block(const asio::error_code& e) { return e == asio::error::would_block || e == asio::error::try_again; }

}  // namespace

transport::transport(const net::executor& ex, transport_owner& owner, std::shared_ptr<const net::tls_context> tls)
    : socket_{ex}, tls_{std::move(tls)}, owner_{&owner} {}

void transport::open(const address& where) {
  if (!where.path.empty()) {
    candidates_.emplace_back(asio::local::stream_protocol::endpoint{where.path});
    try_next();
    return;
  }
  tcp_ = true;
  asio::error_code not_a_number;
  const auto number = asio::ip::make_address(where.host, not_a_number);
  if (!not_a_number) {
    candidates_.emplace_back(asio::ip::tcp::endpoint{number, where.port});
    try_next();
    return;
  }
  resolver_ = std::make_unique<resolver>(socket_.get_executor());
  resolver_->async_resolve(where.host, std::to_string(where.port),
                           [self = shared_from_this()](const asio::error_code& e, const auto& found) {
                             if (self->owner_ == nullptr) {
                               return;
                             }
                             if (e) {
                               self->report_lost(e.message());
                               return;
                             }
                             for (const auto& entry : found) {
                               self->candidates_.emplace_back(entry.endpoint());
                             }
                             self->try_next();
                           });
}

void transport::try_next() {
  const protocol::endpoint to = candidates_[next_candidate_++];
  asio::error_code e;
  socket_.close(e);
  socket_.open(to.protocol(), e);
  if (e) {
    report_lost(e.message());
    return;
  }
  socket_.async_connect(to, [self = shared_from_this()](const asio::error_code& failed) {
    if (self->owner_ == nullptr) {
      return;
    }
    if (!failed) {
      self->connected();
    } else if (self->next_candidate_ < self->candidates_.size()) {
      self->try_next();
    } else {
      self->report_lost(failed.message());
    }
  });
}

void transport::connected() {
  asio::error_code e;
  socket_.non_blocking(true, e);
  if (!e && tcp_) {
    socket_.set_option(asio::ip::tcp::no_delay{true}, e);
  }
  if (e) {
    report_lost(e.message());
    return;
  }
  if (tls_) {
    channel_ = std::make_unique<net::tls_channel>(tls_, socket_.native_handle());
    shake_hands();
  } else {
    begin();
  }
}

void transport::shake_hands() {
  switch (channel_->shake_hands()) {
    case net::tls_channel::handshake::done:
      return begin();
    case net::tls_channel::handshake::waits:
      break;
    case net::tls_channel::handshake::failed:
    case net::tls_channel::handshake::plain:
      return report_lost("TLS: " + channel_->failure());
  }
  socket_.async_wait(wait_for(asio::socket_base::wait_read), [self = shared_from_this()](const asio::error_code& e) {
    if (self->owner_ == nullptr) {
      return;
    }
    if (e) {
      self->report_lost(e.message());
    } else {
      self->shake_hands();
    }
  });
}

void transport::begin() {
  wait_readable();
  owner_->on_connected();
}

asio::socket_base::wait_type transport::wait_for(asio::socket_base::wait_type otherwise) const {
  if (!channel_) {
    return otherwise;
  }
  return channel_->waits_for_room() ? asio::socket_base::wait_write : asio::socket_base::wait_read;
}

net::io_result transport::receive() {
  if (channel_) {
    const net::io_result got = channel_->read(input_);
    failure_ = got.status == net::io_status::failed ? "TLS: " + channel_->failure() : std::string{};
    return got;
  }
  asio::error_code e;
  const std::size_t size = socket_.read_some(asio::buffer(input_), e);
  if (!e) {
    return {net::io_status::moved, size};
  }
  failure_ = e.message();
  return {would_block(e) ? net::io_status::waits : net::io_status::failed};
}

net::io_result transport::send(std::string_view bytes) {
  if (channel_) {
    const net::io_result sent = channel_->write(bytes);
    failure_ = sent.status == net::io_status::failed ? "TLS: " + channel_->failure() : std::string{};
    return sent;
  }
  asio::error_code e;
  const std::size_t size = socket_.write_some(asio::buffer(bytes.data(), bytes.size()), e);
  if (!e) {
    return {net::io_status::moved, size};
  }
  failure_ = e.message();
  return {would_block(e) ? net::io_status::waits : net::io_status::failed};
}

void transport::wait_readable() {
  socket_.async_wait(wait_for(asio::socket_base::wait_read), [self = shared_from_this()](const asio::error_code& e) {
    if (self->owner_ == nullptr) {
      return;
    }
    if (e) {
      self->report_lost(e.message());
      return;
    }
    self->read_available();
    if (self->owner_ != nullptr && !self->broken_) {
      self->wait_readable();
    }
  });
}

void transport::read_available() {
  for (bool more = true; more && owner_ != nullptr && !broken_;) {
    const net::io_result got = receive();
    // A socket that did not fill the room has no more; TLS gives a record at a time.
    more = got.status == net::io_status::moved && (channel_ || got.size == input_.size());
    if (got.status == net::io_status::moved) {
      owner_->on_bytes({input_.data(), got.size});
    } else if (got.status != net::io_status::waits) {
      report_lost(failure_.empty() ? "the server has closed the connection" : failure_);
    }
  }
}

void transport::flush() {
  if (writing_ || broken_) {
    return;
  }
  while (sent_ < unsent_.size()) {
    const net::io_result moved = send(std::string_view{unsent_}.substr(sent_));
    sent_ += moved.size;
    if (moved.status == net::io_status::waits) {
      wait_writable();
      return;
    }
    if (moved.status != net::io_status::moved) {
      report_lost(failure_.empty() ? "the server has closed the connection" : failure_);
      return;
    }
  }
  unsent_.clear();
  sent_ = 0;
}

void transport::wait_writable() {
  if (sent_ > compact_above) {
    unsent_.erase(0, sent_);
    sent_ = 0;
  }
  writing_ = true;
  socket_.async_wait(wait_for(asio::socket_base::wait_write), [self = shared_from_this()](const asio::error_code& e) {
    self->writing_ = false;
    if (self->owner_ != nullptr && !e) {
      self->flush();
    }
  });
}

void transport::report_lost(std::string why) {
  if (broken_) {
    return;
  }
  broken_ = true;
  asio::post(socket_.get_executor(), [self = shared_from_this(), why = std::move(why)] {
    if (self->owner_ != nullptr) {
      self->owner_->on_lost(why);
    }
  });
}

void transport::close() {
  owner_ = nullptr;
  if (resolver_) {
    resolver_->cancel();
  }
  if (channel_ && !broken_) {
    channel_->finish();
  }
  asio::error_code ignored;
  socket_.close(ignored);
}

}  // namespace coffer::redis
