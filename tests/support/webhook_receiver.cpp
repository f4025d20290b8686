#include "support/webhook_receiver.hpp"

#include <array>
#include <future>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "coffer/http/body_source.hpp"
#include "coffer/http/body_stream.hpp"

namespace coffer::test {

namespace {

class endless_body final : public http::body_source {
 public:
  net::task<std::string> next(net::deadline) override {
    co_await net::sleep_for(std::chrono::milliseconds{1});
    co_return std::string(20'000, 'x');
  }
};

}  // namespace

class webhook_receiver::taker final : public http::handler {
 public:
  explicit taker(behaviour answer) : answer_{std::move(answer)} {}

  http::eventual_response handle(http::request& r) override { return take(r); }
  http::response reject(const http::rejection& why, const http::request&) override {
    return http::response{why.status, http::text_type, "no request"};
  }

  mutable std::mutex mutex;
  std::vector<webhook_request> taken;

 private:
  net::task<http::response> take(http::request& r) {
    http::body_stream& body = *r.stream;
    auto got = body.collect();
    while (got == http::body_stream::status::nothing) {
      co_await body.wait();
      got = body.collect();
    }
    webhook_request request{.id = std::string{r.header("webhook-id").value_or("")},
                            .timestamp = std::string{r.header("webhook-timestamp").value_or("")},
                            .signature = std::string{r.header("webhook-signature").value_or("")},
                            .body = r.body};
    std::size_t n = 0;
    {
      const std::lock_guard lock{mutex};
      n = taken.size();
      taken.push_back(request);
    }
    const webhook_reply how = answer_(request, n);
    if (how.delay.count() > 0) {
      co_await net::sleep_for(how.delay);
    }
    http::response answer{how.status};
    if (!how.location.empty()) {
      answer.add("Location", how.location);
    }
    if (how.endless) {
      answer.content_type = http::text_type;
      answer.source = std::make_shared<endless_body>();
    }
    co_return answer;
  }

  behaviour answer_;
};

webhook_receiver::webhook_receiver(behaviour answer, std::shared_ptr<const net::tls_context> tls,
                                   const std::string& listen)
    : taker_{std::make_unique<taker>(std::move(answer))}, context_{std::make_unique<asio::io_context>(1)} {
  guard_ = std::make_unique<asio::executor_work_guard<net::executor>>(context_->get_executor());
  server_ = std::make_unique<http::server>("receiver", std::vector{http::shard{context_->get_executor(), *taker_}},
                                           http::limits{});
  server_->secure(std::move(tls));
  server_->listen(listen);
  thread_ = std::jthread{[this] { context_->run(); }};
}

webhook_receiver::~webhook_receiver() {
  std::promise<void> ended;
  asio::co_spawn(context_->get_executor(), server_->stop(net::deadline_in(std::chrono::milliseconds{0})),
                 [&ended](const std::exception_ptr&, bool) { ended.set_value(); });
  ended.get_future().wait();
  guard_.reset();
  context_->stop();
  thread_.join();
}

std::string webhook_receiver::url(const std::string& scheme) const {
  return scheme + "://127.0.0.1:" + std::to_string(port()) + "/hook";
}

std::vector<webhook_request> webhook_receiver::requests() const {
  const std::lock_guard lock{taker_->mutex};
  return taker_->taken;
}

std::size_t webhook_receiver::count() const {
  const std::lock_guard lock{taker_->mutex};
  return taker_->taken.size();
}

std::string webhook_signature(const std::string& secret, const webhook_request& of) {
  const std::string text = secret.substr(secret.find('_') + 1);
  std::string key(text.size(), '\0');
  const int padded =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(key.data()), reinterpret_cast<const unsigned char*>(text.data()),
                      static_cast<int>(text.size()));
  key.resize(static_cast<std::size_t>(padded) - (text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0));
  const std::string message = of.id + "." + of.timestamp + "." + of.body;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(message.data()),
       message.size(), digest.data(), &size);
  std::array<unsigned char, 64> encoded{};
  const int length = EVP_EncodeBlock(encoded.data(), digest.data(), static_cast<int>(size));
  return "v1," + std::string{reinterpret_cast<const char*>(encoded.data()), static_cast<std::size_t>(length)};
}

}  // namespace coffer::test
