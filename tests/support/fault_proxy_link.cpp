#include "support/fault_proxy_link.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace coffer::test::detail {

namespace {

std::string lower(std::string_view text) {
  std::string changed{text};
  std::transform(changed.begin(), changed.end(), changed.begin(),
                 [](unsigned char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c); });
  return changed;
}

std::uint32_t be32(std::string_view at) {
  const auto byte = [&at](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(at[i])); };
  return byte(0) << 24U | byte(1) << 16U | byte(2) << 8U | byte(3);
}

/// The size of the typed message in front, with its type byte; 0 when it is not complete.
std::size_t message_size(std::string_view buffer) {
  if (buffer.size() < 5) {
    return 0;
  }
  const std::size_t size = 1 + std::size_t{be32(buffer.substr(1))};
  return buffer.size() < size ? 0 : size;
}

std::string take_cstring(std::string_view& from) {
  const std::size_t end = std::min(from.find('\0'), from.size());
  std::string taken{from.substr(0, end)};
  from.remove_prefix(std::min(end + 1, from.size()));
  return taken;
}

/// False at the end of the stream or an error.
bool read_some(int fd, std::string& into) {
  std::array<char, 65536> chunk{};
  const ssize_t count = ::recv(fd, chunk.data(), chunk.size(), MSG_DONTWAIT);
  if (count > 0) {
    into.append(chunk.data(), static_cast<std::size_t>(count));
    return true;
  }
  return count < 0 && (errno == EAGAIN || errno == EINTR);
}

constexpr std::uint32_t ssl_request = 80877103;
constexpr std::uint32_t gss_request = 80877104;

}  // namespace

std::optional<fault_action> fault_plan::match(fault_point at, std::string_view text) {
  const std::string searched = lower(text);
  for (auto rule = statements.begin(); rule != statements.end(); ++rule) {
    if (rule->at == at && searched.find(rule->text) != std::string::npos && --rule->remaining == 0) {
      const fault_action what = rule->what;
      statements.erase(rule);
      return what;
    }
  }
  return std::nullopt;
}

link::~link() {
  // The proxy's thread may hold the sockets in poll(): closing alone would take effect when that returns.
  ::shutdown(client_, SHUT_RDWR);
  ::shutdown(server_, SHUT_RDWR);
  ::close(client_);
  ::close(server_);
}

void link::read_client() { closing_ = !read_some(client_, from_client_) || closing_; }

void link::read_server() { closing_ = !read_some(server_, from_server_) || closing_; }

void link::write(int fd, std::string& buffer) {
  while (!buffer.empty()) {
    const ssize_t count = ::send(fd, buffer.data(), buffer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0) {
      if (errno == EINTR) {
        continue;
      }
      if (errno != EAGAIN) {
        buffer.clear();
        closing_ = true;
      }
      return;
    }
    buffer.erase(0, static_cast<std::size_t>(count));
  }
}

void link::strike(fault_action what) {
  if (what == fault_action::stall) {
    // What came before is still delivered.
    write(server_, to_server_);
    write(client_, to_client_);
    stalled_ = true;
    return;
  }
  closing_ = true;
  from_client_.clear();
  from_server_.clear();
}

void link::forward_bytes(std::string& from, std::string& to, std::optional<byte_rule>& rule, fault_plan& plan) {
  const std::size_t count = rule ? std::min(rule->remaining, from.size()) : from.size();
  to.append(from, 0, count);
  from.erase(0, count);
  if (rule && (rule->remaining -= count) == 0) {
    const fault_action what = rule->what;
    rule.reset();
    ++plan.struck;
    strike(what);
  }
}

bool link::take_startup() {
  if (from_client_.size() < 8) {
    return false;
  }
  const std::size_t size = be32(from_client_);
  const std::uint32_t code = be32(std::string_view{from_client_}.substr(4));
  if (from_client_.size() < size) {
    return false;
  }
  if (code == ssl_request || code == gss_request) {
    to_client_ += 'N';
  } else {
    to_server_.append(from_client_, 0, size);
    started_ = true;
  }
  from_client_.erase(0, size);
  return true;
}

std::optional<std::string> link::executed(char type, std::string_view payload) {
  if (type == 'P') {
    std::string name = take_cstring(payload);
    std::string sql = take_cstring(payload);
    statements_.insert_or_assign(name, name + " " + sql);
  } else if (type == 'Q') {
    return take_cstring(payload);
  } else if (type == 'B') {
    take_cstring(payload);
    const auto found = statements_.find(take_cstring(payload));
    return found == statements_.end() ? std::string{} : found->second;
  }
  return std::nullopt;
}

void link::forward_client(fault_plan& plan) {
  while (!started_ && take_startup()) {
  }
  while (started_ && !stalled_) {
    const std::size_t size = message_size(from_client_);
    if (size == 0) {
      return;
    }
    const char type = from_client_[0];
    const auto statement = executed(type, std::string_view{from_client_}.substr(5, size - 5));
    if (statement && !std::exchange(client_passed_, false)) {
      if (const auto what = plan.match(fault_point::before_statement, *statement)) {
        client_passed_ = true;
        ++plan.struck;
        strike(*what);
        return;
      }
      if (const auto what = plan.match(fault_point::after_statement, *statement)) {
        after_sync_ = what;
      }
    }
    to_server_.append(from_client_, 0, size);
    from_client_.erase(0, size);
    if (after_sync_ && (type == 'S' || type == 'Q')) {
      const fault_action what = *after_sync_;
      after_sync_.reset();
      ++plan.struck;
      strike(what);
    }
  }
}

void link::forward_server(fault_plan& plan) {
  while (!stalled_) {
    const std::size_t size = message_size(from_server_);
    if (size == 0) {
      return;
    }
    if (from_server_[0] == 'C' && !std::exchange(server_passed_, false)) {
      std::string_view payload = std::string_view{from_server_}.substr(5, size - 5);
      if (const auto what = plan.match(fault_point::before_completion, take_cstring(payload))) {
        server_passed_ = true;
        ++plan.struck;
        strike(*what);
        return;
      }
    }
    to_client_.append(from_server_, 0, size);
    from_server_.erase(0, size);
  }
}

void link::pump(fault_plan& plan) {
  if (!stalled_ && spoken_ == fault_proxy::protocol::raw) {
    forward_bytes(from_client_, to_server_, plan.client_bytes, plan);
    if (!stalled_) {
      forward_bytes(from_server_, to_client_, plan.server_bytes, plan);
    }
  } else if (!stalled_) {
    forward_client(plan);
    forward_server(plan);
  }
  if (!stalled_) {
    write(server_, to_server_);
    write(client_, to_client_);
  }
}

}  // namespace coffer::test::detail
