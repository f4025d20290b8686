#include "coffer/app/cache_command.hpp"

#include <stdexcept>

#include <fmt/format.h>

#include "coffer/app/run_blocking.hpp"
#include "coffer/base/log.hpp"
#include "coffer/cache/inventory_cache.hpp"
#include "coffer/redis/client.hpp"

namespace coffer::app {

namespace {

constexpr std::chrono::seconds patience{10};

net::task<std::int64_t> clear(redis::options how, std::string prefix) {
  redis::client redis{co_await asio::this_coro::executor, std::move(how)};
  std::optional<std::int64_t> found = co_await cache::drop_everything(redis, std::move(prefix));
  if (!found) {
    const std::string& why = redis.refusal();
    throw std::runtime_error{fmt::format(
        "the cache could not be cleared: Redis {}. Check --redis-url or REDIS_URL, and run this again",
        why.empty() ? "does not answer, or refuses a command (EVAL, SCAN, UNLINK)" : "cannot be used: " + why)};
  }
  co_await redis.close();
  co_return *found;
}

}  // namespace

std::int64_t clear_cache(const settings& s) {
  if (s.redis_url.empty()) {
    throw std::runtime_error{"there is no cache to clear: --redis-url (REDIS_URL) is none"};
  }
  log::configure(log::level::error, s.log_format);  // what went wrong is said once, at the end
  redis::options how{s.redis_url};
  how.connect_timeout = patience;
  how.command_timeout = patience;
  return run_blocking(clear(std::move(how), s.redis_prefix));
}

}  // namespace coffer::app
