#include "support/redis_server.hpp"

#include <arpa/inet.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <random>
#include <stdexcept>

#include <fmt/format.h>

#include "support/eventually.hpp"

namespace coffer::test {

namespace {

redis::reply copy(const redisReply& from) {
  redis::reply into;
  switch (from.type) {
    case REDIS_REPLY_INTEGER:
      into.is = redis::reply::kind::integer;
      into.integer = from.integer;
      break;
    case REDIS_REPLY_STRING:
      into.is = redis::reply::kind::string;
      into.text.assign(from.str, from.len);
      break;
    case REDIS_REPLY_STATUS:
      into.is = redis::reply::kind::status;
      into.text.assign(from.str, from.len);
      break;
    case REDIS_REPLY_ERROR:
      into.is = redis::reply::kind::error;
      into.text.assign(from.str, from.len);
      break;
    case REDIS_REPLY_ARRAY:
      into.is = redis::reply::kind::array;
      for (std::size_t i = 0; i < from.elements; ++i) {
        into.elements.push_back(copy(*from.element[i]));
      }
      break;
    default:
      break;
  }
  return into;
}

constexpr timeval patience{10, 0};

}  // namespace

std::string redis_url() { return required_env("REDIS_URL"); }

redis::options patient(const std::string& url) {
  redis::options how{url};
  how.connect_timeout = std::chrono::seconds{10};
  how.command_timeout = std::chrono::seconds{10};
  return how;
}

std::string unique_prefix() {
  static std::atomic<int> count{0};
  std::random_device random;
  return fmt::format("test:{}:{:08x}:{}:", ::getpid(), random(), ++count);
}

redis_session::redis_session(const std::string& socket_path) {
  redisContext* made = redisConnectUnixWithTimeout(socket_path.c_str(), patience);
  connection_.reset(made);
  if (made == nullptr || made->err != 0) {
    throw std::runtime_error{"no Redis at " + socket_path};
  }
  redisSetTimeout(made, patience);
}

void redis_session::closer::operator()(void* connection) const noexcept {
  redisFree(static_cast<redisContext*>(connection));
}

redis::reply redis_session::command(const std::vector<std::string>& arguments) {
  std::vector<const char*> texts;
  std::vector<std::size_t> sizes;
  for (const std::string& a : arguments) {
    texts.push_back(a.data());
    sizes.push_back(a.size());
  }
  auto* connection = static_cast<redisContext*>(connection_.get());
  auto* raw = static_cast<redisReply*>(
      redisCommandArgv(connection, static_cast<int>(texts.size()), texts.data(), sizes.data()));
  if (raw == nullptr) {
    throw std::runtime_error{std::string{"the session with Redis broke: "} + connection->errstr};
  }
  redis::reply answer = copy(*raw);
  freeReplyObject(raw);
  return answer;
}

redis_server::redis_server(std::vector<std::string> arguments) : arguments_{std::move(arguments)} {
  std::string pattern = (std::filesystem::temp_directory_path() / "redis.XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    throw std::runtime_error{"no directory could be made from " + pattern};
  }
  directory_ = pattern;
  socket_ = directory_ + "/s";
  start();
}

redis_server::~redis_server() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void redis_server::kill() {
  admin_.reset();
  process_->signal(SIGKILL);
  process_->wait(std::chrono::seconds{10});
}

void redis_server::start() {
  std::filesystem::remove(socket_);
  std::vector<std::string> command{"redis-server", "--port", "0",     "--unixsocket", socket_, "--save", "",
                                   "--appendonly", "no",     "--dir", directory_};
  command.insert(command.end(), arguments_.begin(), arguments_.end());
  process_ = std::make_unique<process>(std::move(command), environment{});
  const auto answers = [&] {
    try {
      redis_session probe{socket_};
      const redis::reply answer = probe.command({"PING"});
      return answer.text == "PONG" || answer.error_code() == "NOAUTH";
    } catch (const std::runtime_error&) {
      return false;  // not yet
    }
  };
  const auto limit = std::chrono::seconds{20};
  if (!eventually(limit, [&] { return answers() || !process_->running(); }) || !process_->running()) {
    throw std::runtime_error{"redis-server did not start:\n" + process_->out() + process_->err()};
  }
}

redis::reply redis_server::command(const std::vector<std::string>& arguments) {
  if (!admin_) {
    admin_ = std::make_unique<redis_session>(socket_);
  }
  return admin_->command(arguments);
}

std::uint16_t free_port() {
  const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof where;
  const bool bound = ::bind(probe, reinterpret_cast<sockaddr*>(&where), size) == 0 &&
                     ::getsockname(probe, reinterpret_cast<sockaddr*>(&where), &size) == 0;
  ::close(probe);
  if (!bound) {
    throw std::runtime_error{"no free port"};
  }
  return ntohs(where.sin_port);
}

}  // namespace coffer::test
