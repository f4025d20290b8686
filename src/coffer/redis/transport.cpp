#include "coffer/redis/transport.hpp"

#include <sys/socket.h>

namespace coffer::redis {

namespace {

/// Past this, what has been sent is cut off the buffer before all of it has been.
constexpr std::size_t compact_above = 64 * 1024;

bool would_block(const asio::error_code& e) { return e == asio::error::would_block || e == asio::error::try_again; }

}  // namespace

transport::transport(const net::executor& ex, transport_owner& owner) : socket_{ex}, owner_{&owner} {}

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
                               self->report_lost(e);
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
    report_lost(e);
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
      self->report_lost(failed);
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
    report_lost(e);
    return;
  }
  wait_readable();
  owner_->on_connected();
}

void transport::wait_readable() {
  socket_.async_wait(protocol::socket::wait_read, [self = shared_from_this()](const asio::error_code& e) {
    if (self->owner_ == nullptr) {
      return;
    }
    if (e) {
      self->report_lost(e);
      return;
    }
    self->read_available();
    if (self->owner_ != nullptr && !self->broken_) {
      self->wait_readable();
    }
  });
}

void transport::read_available() {
  for (std::size_t size = input_.size(); size == input_.size() && owner_ != nullptr && !broken_;) {
    asio::error_code e;
    size = socket_.read_some(asio::buffer(input_), e);
    if (e && !would_block(e)) {
      report_lost(e);
    } else if (size > 0) {
      owner_->on_bytes({input_.data(), size});
    }
  }
}

void transport::flush() {
  if (writing_ || broken_) {
    return;
  }
  while (sent_ < unsent_.size()) {
    asio::error_code e;
    sent_ += socket_.write_some(asio::buffer(unsent_.data() + sent_, unsent_.size() - sent_), e);
    if (would_block(e)) {
      wait_writable();
      return;
    }
    if (e) {
      report_lost(e);
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
  socket_.async_wait(protocol::socket::wait_write, [self = shared_from_this()](const asio::error_code& e) {
    self->writing_ = false;
    if (self->owner_ != nullptr && !e) {
      self->flush();
    }
  });
}

void transport::report_lost(const asio::error_code& why) {
  if (broken_) {
    return;
  }
  broken_ = true;
  asio::post(socket_.get_executor(), [self = shared_from_this(), why] {
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
  asio::error_code ignored;
  socket_.close(ignored);
}

}  // namespace coffer::redis
