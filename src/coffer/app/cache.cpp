// `coffer cache clear`: drops what the servers of one database have cached in Redis, and nothing else there.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "coffer/app/commands.hpp"
#include "coffer/app/one_shot.hpp"
#include "coffer/cache/inventory_cache.hpp"
#include "coffer/redis/client.hpp"

namespace coffer::app {

namespace {

/// Makes everything cached under the prefix worthless at once, then deletes it. Gives the number of inventories that
/// were looked at.
net::task<std::int64_t> clear_cache(redis::options how, std::string prefix) {
  redis::client redis{co_await asio::this_coro::executor, std::move(how)};
  std::optional<std::int64_t> found = co_await cache::drop_everything(redis, std::move(prefix));
  if (!found) {
    const std::string& why = redis.refusal();
    throw command_error{fmt::format(
        "the cache could not be cleared: Redis {}. Check --redis-url or REDIS_URL, and run this again",
        why.empty() ? "does not answer, or refuses a command (EVAL, SCAN, UNLINK)" : "cannot be used: " + why)};
  }
  co_await redis.close();
  co_return *found;
}

}  // namespace

int run(const cache_clear_command& asked) {
  constexpr std::chrono::seconds patience{10};
  const settings& s = asked.how;
  if (s.redis_url.empty()) {
    throw command_error{"there is no cache to clear: --redis-url (REDIS_URL) is none"};
  }
  redis::options how{s.redis_url};
  how.connect_timeout = patience;
  how.command_timeout = patience;
  fmt::print("cleared: {} cached inventories under {}, and the popular products\n",
             run_blocking(clear_cache(std::move(how), s.redis_prefix)), s.redis_prefix);
  return exit_ok;
}

}  // namespace coffer::app
