// Bytes in, replies out. reader.cpp is the only file that includes hiredis.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "coffer/redis/reply.hpp"

namespace coffer::redis {

/// What next() found.
enum class read_result : std::uint8_t {
  reply,    ///< one whole reply
  partial,  ///< more bytes are needed
  broken,   ///< not RESP2, or a reply larger than 64 MiB; the connection cannot be used any further
};

/// Parses a stream of replies. Only hiredis' parser is used, not its connections: those replace sockets, free
/// themselves and resolve names in ways of their own, which differ between its versions.
class reader {
 public:
  reader();
  ~reader();
  reader(const reader&) = delete;
  reader& operator=(const reader&) = delete;

  void feed(std::string_view bytes);

  /// The next reply, copied into `into`.
  read_result next(reply& into);

 private:
  struct deleter {
    void operator()(void* parser) const noexcept;
  };
  std::unique_ptr<void, deleter> parser_;
  std::size_t unread_ = 0;  ///< bytes since the last whole reply
};

}  // namespace coffer::redis
