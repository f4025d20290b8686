// The Lua scripts of the inventory cache. Each is atomic in Redis. `pcall` lets them replace a key of a wrong type.
#pragma once

#include <string_view>

namespace coffer::cache::scripts {

/// Before a load. KEYS: the user's key, the epoch's key. ARGV: a new lease, its TTL in ms, an epoch to set where there
/// is none, the server's run (empty: replace any value). Answers the epoch, and the value, lease or fence that is
/// there, else the new lease.
inline constexpr std::string_view claim = R"(
local epoch = redis.pcall('GET', KEYS[2])
if type(epoch) ~= 'string' or #epoch > 128 or not string.find(epoch, '^[!-~]+$') then
  epoch = ARGV[3]
  redis.call('SET', KEYS[2], epoch)
end
local found = redis.pcall('GET', KEYS[1])
if type(found) == 'string' then
  local tag = 'V ' .. epoch .. ' ' .. ARGV[4] .. ' '
  if string.find(found, '^L[!-~]+$') or string.find(found, '^F%d+$') or string.sub(found, 1, #tag) == tag then
    return {epoch, found}
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {epoch, ARGV[1]}
)";

/// After a load. KEYS: the user's key. ARGV: the lease or fence that must still be there, the value, its TTL in ms.
/// Answers 1 when it was stored.
inline constexpr std::string_view fill = R"(
if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
)";

/// KEYS: the epoch's key. ARGV: the occasion, a nonce. An epoch is "<occasion>~<nonce>", so that none ever comes back:
/// values of an epoch that was left may have missed invalidations.
inline constexpr std::string_view reset = R"(
local epoch = redis.pcall('GET', KEYS[1])
local occasion = ARGV[1] .. '~'
if type(epoch) == 'string' and string.sub(epoch, 1, #occasion) == occasion then return 0 end
redis.call('SET', KEYS[1], occasion .. ARGV[2])
return 1
)";

/// KEYS: the epoch's key. ARGV: a nonce, and "=<epoch>" where only that epoch is to end, else nothing. As reset, for
/// the same occasion.
inline constexpr std::string_view renew = R"(
local epoch = redis.pcall('GET', KEYS[1])
if ARGV[2] ~= '' and (type(epoch) ~= 'string' or ARGV[2] ~= '=' .. epoch) then return 0 end
local occasion = type(epoch) == 'string' and string.match(epoch, '^([!-~]*)~') or ''
redis.call('SET', KEYS[1], occasion .. '~' .. ARGV[1])
return 1
)";

/// A commit in doubt. KEYS: the keys of its users. ARGV: the TTL of a fence in ms, the version of each. A fence that
/// asks for more stays: it belongs to a later doubt.
inline constexpr std::string_view fence = R"(
for i, key in ipairs(KEYS) do
  local least = ARGV[i + 1]
  local found = redis.pcall('GET', key)
  local other = type(found) == 'string' and string.match(found, '^F(%d+)$')
  if other and tonumber(other) > tonumber(least) then least = other end
  redis.call('SET', key, 'F' .. least, 'PX', ARGV[1])
end
return #KEYS
)";

/// Deletions that were lost, again. KEYS: the keys of the users. Fences stay: since the loss another process may have
/// come to doubt a commit, and a fence of a doubt that has ended keeps nothing out but what is old.
inline constexpr std::string_view forget = R"(
for _, key in ipairs(KEYS) do
  local found = redis.pcall('GET', key)
  if type(found) ~= 'string' or not string.find(found, '^F%d+$') then redis.call('UNLINK', key) end
end
return #KEYS
)";

}  // namespace coffer::cache::scripts
