-- wrk -s feed.lua URL -- FEED TOKEN THREADS
-- Each line of the feed is one request; thread k takes the lines k, k + THREADS, k + 2 THREADS, …

local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  feed = assert(io.open(args[1]))
  common = "Host: " .. wrk.host .. ":" .. wrk.port .. "\r\nAuthorization: Bearer " .. args[2]
    .. "\r\nContent-Type: application/json\r\n"
  others = tonumber(args[3]) - 1
  for _ = 1, number do feed:read("*l") end
end

function request()
  local line = feed:read("*l")
  for _ = 1, others do feed:read("*l") end
  if line == nil then
    wrk.thread:stop()
    return "GET /feed-ran-out HTTP/1.1\r\n" .. common .. "\r\n"
  end
  local path, key, body = line:match("^(.-)\t(.-)\t(.*)$")
  if key ~= "" then key = "Idempotency-Key: " .. key .. "\r\n" end
  return "POST " .. path .. " HTTP/1.1\r\n" .. common .. key
    .. "Content-Length: " .. #body .. "\r\n\r\n" .. body
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    "\nRESULT %d %d %d %d %d %d %d %d\n",
    summary.requests, e.status, e.connect + e.read + e.write + e.timeout, summary.duration,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max))
end
