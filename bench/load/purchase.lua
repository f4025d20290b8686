-- wrk script: keep-alive purchases over a table of ready-made requests.
-- Arguments after --: products, first user id, last user id (equal: one hot wallet).
local requests, next_request = {}, 0

function init(args)
  local product = tonumber(args[1])
  local first, last = tonumber(args[2]), tonumber(args[3])
  math.randomseed(os.time() + tonumber(tostring({}):sub(8), 16) % 1000003)
  local total = first == last and 1 or 8192
  for i = 1, total do
    local body = string.format('{"user_id":%d}', math.random(first, last))
    requests[i] = wrk.format("POST", string.format("/products/%d/purchase", product),
      { ["Content-Type"] = "application/json", ["Host"] = "127.0.0.1" }, body)
  end
end

function request()
  next_request = next_request % #requests + 1
  return requests[next_request]
end

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function response(status)
  if status == 201 then
    created = (created or 0) + 1
  else
    other = (other or 0) + 1
  end
end

function done(summary, latency)
  local created_total, other_total = 0, 0
  for _, thread in ipairs(threads) do
    created_total = created_total + (thread:get("created") or 0)
    other_total = other_total + (thread:get("other") or 0)
  end
  io.write(string.format('{"created":%d,"other":%d,"errors":%d,"seconds":%.3f,"per_second":%.1f,"p50_ms":%.3f,"p99_ms":%.3f}\n',
    created_total, other_total,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    summary.duration / 1e6, created_total / (summary.duration / 1e6),
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
