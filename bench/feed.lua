-- wrk -s feed.lua URL -- FEED TOKEN THREADS once|again SUCCESS REFUSAL
-- Each line of the feed is one request; thread k takes the lines k, k + THREADS, k + 2 THREADS, …
-- With "again" it begins anew at its end. With a REFUSAL other than 0 the answers are counted by
-- these two statuses, which costs wrk some time; else wrk's own count of errors is enough.

local threads = {}

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

local function skip(lines)
  for _ = 1, lines do feed:read("*l") end
end

function init(args)
  feed = assert(io.open(args[1]))
  common = "Host: " .. wrk.host .. ":" .. wrk.port .. "\r\nAuthorization: Bearer " .. args[2]
    .. "\r\n"
  others = tonumber(args[3]) - 1
  again = args[4] == "again"
  success, refusal = tonumber(args[5]), tonumber(args[6])
  won, lost, broken = 0, 0, 0
  skip(number)
  if refusal ~= 0 then
    response = function(status)
      if status == success then won = won + 1
      elseif status == refusal then lost = lost + 1
      else broken = broken + 1 end
    end
  end
end

function request()
  local line = feed:read("*l")
  if line == nil and again then
    feed:seek("set")
    skip(number)
    line = feed:read("*l")
  end
  skip(others)
  if line == nil then
    wrk.thread:stop()
    return "GET /feed-ran-out HTTP/1.1\r\n" .. common .. "\r\n"
  end
  local method, path, key, body = line:match("^(.-)\t(.-)\t(.-)\t(.*)$")
  local head = method .. " " .. path .. " HTTP/1.1\r\n" .. common
  if key ~= "" then head = head .. "Idempotency-Key: " .. key .. "\r\n" end
  if body == "" then return head .. "\r\n" end
  return head .. "Content-Type: application/json\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
end

local function sum(name)
  local total = 0
  for _, thread in ipairs(threads) do total = total + thread:get(name) end
  return total
end

function done(summary, latency)
  local e = summary.errors
  local unanswered = e.connect + e.read + e.write + e.timeout
  local good, refused, bad = summary.requests - e.status, 0, e.status
  if sum("refusal") ~= 0 then good, refused, bad = sum("won"), sum("lost"), sum("broken") end
  io.write(string.format(
    "\nRESULT %d %d %d %d %d %d %d %d\n",
    good, refused, bad + unanswered, summary.duration,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max))
end
