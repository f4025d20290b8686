// What lies between a test's client and its socket, where that is more than nothing.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string_view>

namespace coffer::test {

/// Carries bytes over a connected non-blocking socket. Results are those of send(2) and recv(2), errno too.
class byte_link {
 public:
  virtual ~byte_link() = default;
  virtual ssize_t send(std::string_view bytes) = 0;
  virtual ssize_t receive(char* room, std::size_t size) = 0;
};

/// Makes the link of a new connection; throws std::runtime_error when there can be none.
using link_maker = std::function<std::unique_ptr<byte_link>(int socket)>;

}  // namespace coffer::test
