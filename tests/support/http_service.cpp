#include "support/http_service.hpp"

#include <cstdlib>
#include <future>
#include <stdexcept>

#include "coffer/http/body_source.hpp"
#include "coffer/http/body_stream.hpp"
#include "support/eventually.hpp"
#include "support/upload_paths.hpp"

namespace coffer::test {

namespace {

net::task<http::response> wait(std::chrono::milliseconds time) {
  co_await net::sleep_for(time);
  co_return http::response{200, http::text_type, "waited"};
}

/// Pieces of one letter each, a, b, c, ...
class letters final : public http::body_source {
 public:
  letters(int count, bool broken, std::atomic<int>& asked) : count_{count}, broken_{broken}, asked_{asked} {}

  net::task<std::string> next(net::deadline) override {
    ++asked_;
    co_await net::sleep_for(std::chrono::milliseconds{1});
    if (made_ == count_) {
      if (broken_) {
        throw std::runtime_error("on purpose");
      }
      co_return std::string{};
    }
    co_return std::string(100'000, static_cast<char>('a' + made_++ % 26));
  }

 private:
  int count_;
  bool broken_;
  std::atomic<int>& asked_;
  int made_ = 0;
};

}  // namespace

http::eventual_response path_handler::handle(http::request& r) {
  if (r.path().starts_with("/upload/")) {
    ++handled;
    return answer_upload(r, taken);
  }
  if (r.stream != nullptr) {
    return collect_and_answer(r);
  }
  return answer(r);
}

net::task<http::response> path_handler::collect_and_answer(http::request& r) {
  http::body_stream& body = *r.stream;
  auto got = body.collect();
  while (got == http::body_stream::status::nothing) {
    co_await body.wait();
    got = body.collect();
  }
  if (got != http::body_stream::status::end) {
    co_return reject(body.failure(), r);
  }
  http::eventual_response made = answer(r);
  if (auto* const ready = std::get_if<http::response>(&made)) {
    co_return std::move(*ready);
  }
  co_return co_await std::get<net::task<http::response>>(std::move(made));
}

http::eventual_response path_handler::answer(http::request& r) {
  ++handled;
  const std::string path{r.path()};
  const int number = std::atoi(std::string{r.query()}.c_str());
  if (path == "/throw") {
    throw std::runtime_error("on purpose");
  }
  if (path == "/wait") {
    return wait(std::chrono::milliseconds{number});
  }
  if (path == "/size") {
    return http::response{200, http::text_type, std::string(static_cast<std::size_t>(number), 'x')};
  }
  if (path == "/shared") {
    if (!shared) {
      shared = std::make_shared<const std::string>(static_cast<std::size_t>(number), 'x');
    }
    http::response made{200};
    made.content_type = http::text_type;
    made.shared = shared;
    return made;
  }
  if (path == "/stream" || path == "/broken") {
    http::response made{200};
    made.content_type = http::text_type;
    made.source = std::make_shared<letters>(number, path == "/broken", pieces);
    return made;
  }
  if (path == "/echo" || path == "/close") {
    std::string text{to_string(r.verb)};
    text.append(" ").append(r.target()).append(" ").append(r.body);
    http::response made{200, http::text_type, std::move(text)};
    made.close = path == "/close";
    return made;
  }
  return http::response{404, http::text_type, "nothing here"};
}

http::response path_handler::reject(const http::rejection& why, const http::request& r) {
  rejected_at = r.received.time_since_epoch().count();
  return http::response{why.status, http::text_type, std::string{to_string(why.code)}};
}

http_service::http_service(const http::limits& most, std::size_t threads) {
  std::vector<http::shard> shards;
  for (std::size_t i = 0; i < threads; ++i) {
    contexts_.push_back(std::make_unique<asio::io_context>(1));
    guards_.emplace_back(contexts_.back()->get_executor());
    shards.emplace_back(contexts_.back()->get_executor(), handler_);
  }
  server_ = std::make_unique<http::server>("test", std::move(shards), most);
  server_->listen("127.0.0.1:0");
  for (auto& context : contexts_) {
    threads_.emplace_back([&context] { context->run(); });
  }
}

http_service::~http_service() {
  if (!stopped_) {
    stop(std::chrono::milliseconds{0});
  }
  guards_.clear();
  for (auto& context : contexts_) {
    context->stop();
  }
  threads_.clear();
}

bool http_service::stop(std::chrono::milliseconds limit) {
  stopped_ = true;
  std::promise<bool> clean;
  auto ended = [&clean](const std::exception_ptr& failure, bool value) {
    failure ? clean.set_exception(failure) : clean.set_value(value);
  };
  asio::co_spawn(contexts_.front()->get_executor(), server_->stop(net::deadline_in(limit)), std::move(ended));
  return clean.get_future().get();
}

bool http_service::wait_for_connections(std::size_t count, std::chrono::milliseconds limit) const {
  return eventually(limit, [&] { return connections() == count; });
}

}  // namespace coffer::test
