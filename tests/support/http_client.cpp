#include "support/http_client.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include <fmt/format.h>

#include "support/exchange_log.hpp"
#include "support/raw_request.hpp"

namespace coffer::test {

namespace {

bool equal_names(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

std::size_t number(std::string_view text, int base) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw http_failure{http_failure::reason::malformed, "not a length: " + std::string{text}};
  }
  return value;
}

[[noreturn]] void socket_failed(const char* what) {
  const auto why = errno == ECONNRESET || errno == EPIPE ? http_failure::reason::reset : http_failure::reason::closed;
  throw http_failure{why, std::string{what} + ": " + std::strerror(errno)};
}

}  // namespace

bool names(const header_list& headers, std::string_view name) {
  return std::any_of(headers.begin(), headers.end(), [&](const auto& h) { return equal_names(h.first, name); });
}

std::optional<std::string> http_response::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (equal_names(key, name)) {
      return value;
    }
  }
  return std::nullopt;
}

std::size_t http_response::count(std::string_view name) const {
  return static_cast<std::size_t>(
      std::count_if(headers.begin(), headers.end(), [&](const auto& h) { return equal_names(h.first, name); }));
}

std::string http_response::code() const {
  if (header("content-type").value_or("").rfind("application/problem+json", 0) != 0) {
    return {};
  }
  return json()["code"].text();
}

http_client::http_client(std::uint16_t port, std::chrono::milliseconds timeout) : port_{port}, timeout_{timeout} {}

http_client::~http_client() { close(); }

http_client::http_client(http_client&& other) noexcept
    : port_{other.port_},
      timeout_{other.timeout_},
      local_address_{std::move(other.local_address_)},
      socket_{std::exchange(other.socket_, -1)},
      buffer_{std::move(other.buffer_)},
      link_maker_{std::move(other.link_maker_)},
      link_{std::move(other.link_)} {}

http_client& http_client::operator=(http_client&& other) noexcept {
  if (this != &other) {
    close();
    port_ = other.port_;
    timeout_ = other.timeout_;
    local_address_ = std::move(other.local_address_);
    socket_ = std::exchange(other.socket_, -1);
    buffer_ = std::move(other.buffer_);
    link_maker_ = std::move(other.link_maker_);
    link_ = std::move(other.link_);
  }
  return *this;
}

bool http_client::wait_for(short events, clock::time_point end) const {
  pollfd wait{socket_, events, 0};
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - clock::now()).count();
    const int ready = ::poll(&wait, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
    if (ready > 0) {
      return true;
    }
    if (ready == 0 && left <= 0) {
      return false;
    }
  }
}

void http_client::connect() {
  if (connected()) {
    return;
  }
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int yes = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  if (!local_address_.empty()) {
    sockaddr_in from{};
    from.sin_family = AF_INET;
    ::inet_pton(AF_INET, local_address_.c_str(), &from.sin_addr);
    ::bind(socket_, reinterpret_cast<const sockaddr*>(&from), sizeof from);
  }
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port_);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int error = 0;
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
    error = errno;
    if (error == EINPROGRESS) {
      error = ETIMEDOUT;
      if (wait_for(POLLOUT, clock::now() + timeout_)) {
        socklen_t size = sizeof error;
        ::getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size);
      }
    }
  }
  if (error != 0) {
    close();
    throw http_failure{http_failure::reason::connect, std::string{"connect: "} + std::strerror(error)};
  }
  if (link_maker_) {
    try {
      link_ = link_maker_(socket_);
    } catch (const std::runtime_error& failure) {
      close();
      throw http_failure{http_failure::reason::connect, failure.what()};
    }
  }
}

void http_client::close(bool abruptly) {
  if (!connected()) {
    return;
  }
  link_.reset();
  if (abruptly) {
    const linger now{1, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  ::close(socket_);
  socket_ = -1;
  buffer_.clear();
}

void http_client::finish_sending() { ::shutdown(socket_, SHUT_WR); }

void http_client::send_raw(std::string_view bytes) {
  connect();
  const auto end = clock::now() + timeout_;
  while (!bytes.empty()) {
    const ssize_t sent = link_ ? link_->send(bytes) : ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno != EAGAIN) {
      socket_failed("send");
    } else if (!wait_for(POLLOUT, end)) {
      throw http_failure{http_failure::reason::timeout, "the server does not read"};
    }
  }
}

bool http_client::receive(clock::time_point end) {
  if (!connected()) {
    throw http_failure{http_failure::reason::closed, "there is no connection"};
  }
  char part[65536];
  for (;;) {
    const ssize_t size = link_ ? link_->receive(part, sizeof part) : ::recv(socket_, part, sizeof part, 0);
    if (size >= 0) {
      buffer_.append(part, static_cast<std::size_t>(size));
      return size > 0;
    }
    if (errno != EAGAIN) {
      socket_failed("receive");
    }
    if (!wait_for(POLLIN, end)) {
      throw http_failure{http_failure::reason::timeout, "no answer in time; so far: " + buffer_.substr(0, 500)};
    }
  }
}

std::string http_client::take(std::size_t size, clock::time_point end) {
  while (buffer_.size() < size) {
    if (!receive(end)) {
      throw http_failure{http_failure::reason::closed, "the server closed within an answer"};
    }
  }
  std::string part = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return part;
}

std::string http_client::take_line(clock::time_point end) {
  std::size_t at = buffer_.find("\r\n");
  while (at == std::string::npos) {
    const std::size_t before = buffer_.size();
    if (!receive(end)) {
      throw http_failure{http_failure::reason::closed, "the server closed before an answer was complete"};
    }
    at = buffer_.find("\r\n", before == 0 ? 0 : before - 1);
  }
  std::string line = buffer_.substr(0, at);
  buffer_.erase(0, at + 2);
  return line;
}

std::string http_client::take_chunks(clock::time_point end) {
  std::string body;
  for (;;) {
    const std::size_t size = number(take_line(end), 16);
    if (size == 0) {
      break;
    }
    body += take(size, end);
    take_line(end);
  }
  while (!take_line(end).empty()) {
  }
  return body;
}

void http_client::read_head(http_response& answer, clock::time_point end) {
  answer.head = take_line(end);
  const std::string& first = answer.head;
  if (first.rfind("HTTP/1.", 0) != 0 || first.size() < 13 || first[8] != ' ' || first[12] != ' ') {
    throw http_failure{http_failure::reason::malformed, "not a status line: " + first};
  }
  answer.status = static_cast<int>(number(std::string_view{first}.substr(9, 3), 10));
  answer.reason = first.substr(13);
  for (std::string line = take_line(end); !line.empty(); line = take_line(end)) {
    answer.head += "\r\n" + line;
    const auto colon = line.find(": ");
    if (colon == std::string::npos) {
      throw http_failure{http_failure::reason::malformed, "not a header: " + line};
    }
    answer.headers.emplace_back(line.substr(0, colon), line.substr(colon + 2));
  }
}

std::string http_client::read_body(const http_response& answer, clock::time_point end) {
  if (answer.header("transfer-encoding") == "chunked") {
    return take_chunks(end);
  }
  if (const auto length = answer.header("content-length")) {
    return take(number(*length, 10), end);
  }
  while (receive(end)) {
  }
  return std::exchange(buffer_, {});
}

http_response http_client::read_response(bool to_head) {
  http_response answer = receive_response(to_head);
  if (!to_head && answer.status >= 200) {
    record_exchange(port_, std::nullopt, answer);
  }
  return answer;
}

http_response http_client::receive_response(bool to_head) {
  const auto end = clock::now() + timeout_;
  http_response answer;
  read_head(answer, end);
  if (!to_head && answer.status >= 200 && answer.status != 204 && answer.status != 304) {
    answer.body = read_body(answer, end);
  }
  if (answer.status >= 200 && answer.header("connection") == "close") {
    close();
  }
  return answer;
}

std::string http_client::read_to_end() {
  const auto end = clock::now() + timeout_;
  while (receive(end)) {
  }
  return std::exchange(buffer_, {});
}

bool http_client::closed_within(std::chrono::milliseconds limit) {
  if (!connected()) {
    return true;
  }
  const auto end = clock::now() + limit;
  try {
    while (receive(end)) {
    }
    return true;
  } catch (const http_failure& failure) {
    return failure.why != http_failure::reason::timeout;
  }
}

http_response http_client::request(std::string_view method, std::string_view target, const header_list& headers,
                                   std::optional<std::string_view> body) {
  if (connected() && buffer_.empty() && closed_within(std::chrono::milliseconds{0})) {
    close();
  }
  header_list sent = headers;
  if (body && !names(headers, "content-type")) {
    sent.emplace_back("Content-Type", "application/json");
  }
  header_list fields = sent;
  if (!names(headers, "host")) {
    fields.insert(fields.begin(), {"Host", "127.0.0.1"});
  }
  const std::string text = raw_request(fmt::format("{} {}", method, target), fields, body);
  try {
    send_raw(text);
    http_response answer = receive_response(method == "HEAD");
    record_exchange(port_, recorded_request{method, target, sent, body.value_or("")}, answer);
    return answer;
  } catch (...) {
    // What is left of a failed exchange must not be taken for the next answer.
    close();
    throw;
  }
}

}  // namespace coffer::test
