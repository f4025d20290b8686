#include "coffer/pg/socket.hpp"

#include <optional>
#include <utility>

#include "coffer/base/assert.hpp"
#include "coffer/net/watchdog.hpp"

namespace coffer::pg {

namespace {

using handler = asio::async_result<asio::use_awaitable_t<net::executor>, void()>::handler_type;

/// One coroutine that two operations may resume: the first one does. Owned by the operations alone, so that frames
/// that still wait when their io_context is destroyed are destroyed with it.
struct shared_waiter {
  explicit shared_waiter(handler h) : waiting{std::move(h)} {}

  void resume() {
    if (waiting) {
      auto resumed = std::move(*waiting);
      waiting.reset();
      std::move(resumed)();
    }
  }

  std::optional<handler> waiting;
};

}  // namespace

/// Shared with a waiting coroutine, which may outlive the socket by a step.
struct socket::state {
  explicit state(const net::executor& ex) : descriptor{ex}, dog{ex, [this] { expire(); }} {}

  void expire() {
    if (descriptor.is_open()) {
      descriptor.cancel();
    }
  }

  [[nodiscard]] readiness outcome() const noexcept {
    return until && std::chrono::steady_clock::now() >= *until ? readiness::expired : readiness::ready;
  }

  net::descriptor descriptor;
  net::watchdog dog;
  std::optional<net::deadline> until;
};

socket::socket(const net::executor& ex) : state_{std::make_shared<state>(ex)} {}

socket::~socket() {
  release();
  clear_deadline();
}

void socket::assign(int fd) {
  COFFER_ASSERT(!state_->descriptor.is_open());
  state_->descriptor.assign(fd);
}

void socket::release() noexcept {
  if (state_->descriptor.is_open()) {
    state_->descriptor.release();
  }
}

void socket::set_deadline(net::deadline until) {
  state_->until = until;
  state_->dog.arm(until);
}

void socket::clear_deadline() noexcept {
  state_->until.reset();
  state_->dog.disarm();
}

net::task<readiness> socket::wait(interest what) {
  const std::shared_ptr<state> s = state_;
  if (s->outcome() == readiness::expired) {
    co_return readiness::expired;
  }
  if (what == interest::read) {
    co_await s->descriptor.async_wait(net::descriptor::wait_read, net::as_tuple);
    co_return s->outcome();
  }
  auto both = [&s, what](auto&& h) {
    auto waiter = std::make_shared<shared_waiter>(std::forward<decltype(h)>(h));
    s->descriptor.async_wait(net::descriptor::wait_write, [waiter](const auto&) { waiter->resume(); });
    if (what == interest::read_or_write) {
      s->descriptor.async_wait(net::descriptor::wait_read, [waiter](const auto&) { waiter->resume(); });
    }
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<net::executor>, void()>(both, net::use_task);
  // The direction that is not ready yet has lost its waiter.
  if (s->descriptor.is_open()) {
    s->descriptor.cancel();
  }
  co_return s->outcome();
}

}  // namespace coffer::pg
