-- wrk script: keep-alive requests from a table that a file holds, one per line: method, path, body and, where the
-- request needs an idempotency key of its own, a mark, with tabs between. Arguments after --: the file, the part of it
-- after which to begin (two generators on one table must not send the same at the same time), and "count" when the
-- number of requests sent is wanted.
-- COFFER_KEY in the environment is sent with every request.
-- Defines no response(): wrk would build a table of every answer's fields, on cores that the server shares.
local requests, tails, total, position = {}, {}, 0, 0
local tag
local server_key = os.getenv("COFFER_KEY")
sent = 0

local function head(method, path, body, key)
  local lines = { method .. " " .. path .. " HTTP/1.1", "Host: 127.0.0.1" }
  if server_key then
    lines[#lines + 1] = "Authorization: Bearer " .. server_key
  end
  if body ~= "" then
    lines[#lines + 1] = "Content-Type: application/json"
    lines[#lines + 1] = "Content-Length: " .. #body
  end
  if key then
    lines[#lines + 1] = "Idempotency-Key: "
    return table.concat(lines, "\r\n")
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. body
end

local function plain()
  position = position % total + 1
  return requests[position]
end

local function counted()
  position = position % total + 1
  sent = sent + 1
  local tail = tails[position]
  if tail then
    return requests[position] .. tag .. sent .. tail
  end
  return requests[position]
end

function init(args)
  for line in io.lines(args[1]) do
    local method, path, body, key = line:match("^([^\t]+)\t([^\t]+)\t([^\t]*)\t([^\t]*)$")
    total = total + 1
    requests[total] = head(method, path, body, key ~= "")
    if key ~= "" then
      tails[total] = "\r\n\r\n" .. body
    end
  end
  tag = string.format("%d-%s-", os.time(), tostring(requests):sub(8))
  position = math.floor(total * tonumber(args[2]))
  request = (args[3] == "count" or next(tails)) and counted or plain
  built = os.clock()
end

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function done(summary, latency)
  local all, preparation = 0, 0
  for _, thread in ipairs(threads) do
    all = all + thread:get("sent")
    preparation = math.max(preparation, thread:get("built"))
  end
  local lost = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format(
    '{"answers":%d,"refused":%d,"errors":%d,"sent":%d,"preparation":%.3f,"seconds":%.4f,"p50_ms":%.3f,"p99_ms":%.3f}\n',
    summary.requests, summary.errors.status, lost, all, preparation, summary.duration / 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
