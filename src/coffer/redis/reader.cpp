#include "coffer/redis/reader.hpp"

#include <hiredis/hiredis.h>

#include "coffer/base/assert.hpp"

namespace coffer::redis {

namespace {

constexpr std::size_t max_reply_bytes = 64 * 1024 * 1024;

struct reply_deleter {
  void operator()(redisReply* r) const noexcept { freeReplyObject(r); }
};

/// False for the types of RESP3, which a connection that never asked for them does not send.
bool copy(const redisReply& from, reply& into) {
  into = reply{};
  switch (from.type) {
    case REDIS_REPLY_NIL:
      return true;
    case REDIS_REPLY_INTEGER:
      into.is = reply::kind::integer;
      into.integer = from.integer;
      return true;
    case REDIS_REPLY_STRING:
      into.is = reply::kind::string;
      break;
    case REDIS_REPLY_STATUS:
      into.is = reply::kind::status;
      break;
    case REDIS_REPLY_ERROR:
      into.is = reply::kind::error;
      break;
    case REDIS_REPLY_ARRAY:
      into.is = reply::kind::array;
      into.elements.resize(from.elements);
      for (std::size_t i = 0; i < from.elements; ++i) {
        if (!copy(*from.element[i], into.elements[i])) {
          return false;
        }
      }
      return true;
    default:
      return false;
  }
  into.text.assign(from.str, static_cast<std::size_t>(from.len));
  return true;
}

}  // namespace

reader::reader() : parser_{redisReaderCreate()} { COFFER_ASSERT(parser_ != nullptr); }

reader::~reader() = default;

void reader::deleter::operator()(void* parser) const noexcept { redisReaderFree(static_cast<redisReader*>(parser)); }

void reader::feed(std::string_view bytes) {
  unread_ += bytes.size();
  // A failure is remembered by the parser and comes out of next().
  redisReaderFeed(static_cast<redisReader*>(parser_.get()), bytes.data(), bytes.size());
}

read_result reader::next(reply& into) {
  void* raw = nullptr;
  if (redisReaderGetReply(static_cast<redisReader*>(parser_.get()), &raw) != REDIS_OK) {
    return read_result::broken;
  }
  if (raw == nullptr) {
    return unread_ > max_reply_bytes ? read_result::broken : read_result::partial;
  }
  unread_ = 0;
  const std::unique_ptr<redisReply, reply_deleter> owned{static_cast<redisReply*>(raw)};
  return copy(*owned, into) ? read_result::reply : read_result::broken;
}

}  // namespace coffer::redis
