#include "coffer/redis/client.hpp"

#include <stdexcept>
#include <utility>

#include "coffer/net/oneshot.hpp"
#include "coffer/redis/client_impl.hpp"

namespace coffer::redis {

std::string_view to_string(failure f) noexcept {
  switch (f) {
    case failure::unavailable:
      return "unavailable";
    case failure::lost:
      return "lost";
    case failure::timeout:
      return "timeout";
    case failure::breaker_open:
      return "breaker_open";
    case failure::overloaded:
      return "overloaded";
    case failure::protocol:
      return "protocol";
  }
  return "unknown";
}

namespace {

server_url url_of(const options& how) {
  auto parsed = parse_url(how.url);
  if (!parsed) {
    throw std::invalid_argument{parsed.error()};
  }
  return *std::move(parsed);
}

/// A script, how many keys there are, the keys, the arguments.
template <typename Word>
std::vector<Word> eval_words(std::string_view source, const std::string& count, const std::vector<std::string>& keys,
                             const std::vector<std::string>& arguments) {
  std::vector<Word> words;
  words.reserve(3 + keys.size() + arguments.size());
  words.emplace_back("EVAL");
  words.emplace_back(source);
  words.emplace_back(count);
  words.insert(words.end(), keys.begin(), keys.end());
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

std::shared_ptr<const net::tls_context> tls_of(const server_url& where) {
  if (!where.tls) {
    return nullptr;
  }
  try {
    return net::tls_context::for_client(*where.tls);
  } catch (const std::runtime_error& e) {
    throw std::invalid_argument{std::string{"the Redis URL asks for TLS that is not to be had: "} + e.what()};
  }
}

}  // namespace

client::client(net::executor ex, options how) {
  server_url where = url_of(how);
  std::shared_ptr<const net::tls_context> tls = tls_of(where);
  impl_ = std::make_shared<impl>(std::move(ex), std::move(how), std::move(where), std::move(tls));
  impl_->start();
}

client::~client() {
  if (impl_) {
    impl_->stop();
  }
}

net::task<outcome> client::command(std::vector<std::string> arguments) {
  const std::vector<std::string_view> views{arguments.begin(), arguments.end()};
  const std::shared_ptr<impl> self = impl_;
  net::oneshot<outcome> answer{self->executor()};
  self->enqueue(views, [&answer](outcome o) { answer.set(std::move(o)); });
  self->flush_soon();
  co_return co_await answer.wait();
}

void client::post_command(std::span<const std::string_view> arguments, callback done) {
  impl_->enqueue(arguments, std::move(done));
  impl_->flush();
}

net::task<outcome> client::eval(std::string_view source, const std::vector<std::string>& keys,
                                const std::vector<std::string>& arguments) {
  return command(eval_words<std::string>(source, std::to_string(keys.size()), keys, arguments));
}

void client::post_eval(std::string_view source, const std::vector<std::string>& keys,
                       const std::vector<std::string>& arguments, callback done) {
  const std::string count = std::to_string(keys.size());
  post_command(eval_words<std::string_view>(source, count, keys, arguments), std::move(done));
}

bool client::available() const noexcept { return impl_->available(); }

const std::string& client::server_run() const noexcept { return impl_->server_run(); }

const std::string& client::refusal() const noexcept { return impl_->refusal(); }

std::size_t client::pending() const noexcept { return impl_->pending(); }

net::task<> client::close() {
  const std::shared_ptr<impl> self = impl_;
  if (self->pending() > 0) {
    // Replies come in order: after this one there is none left. Closing a socket with unread replies in it could take
    // back commands that the server has not read yet.
    std::vector<std::string> ping{"PING"};
    co_await command(std::move(ping));
  }
  self->stop();
}

}  // namespace coffer::redis
