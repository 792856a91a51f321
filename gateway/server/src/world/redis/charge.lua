-- Charges every cell of KEYS as many requests as fit of those it is to take, or none when one has room for none: the
-- arithmetic of core's `limit::gcra`, step by step.
-- Every number here is an integer below 2^53, which a double holds exactly.
--
-- ARGV[1]: now in microseconds, for the contract suite alone; empty, and it is the server's own time.
-- Then, for each key: interval and tolerance, in microseconds, and how many requests to take.
-- Answers five integers for each key: allowed (1 or 0), taken, remaining, retry_after and reset in microseconds.

local STRAY = 60000000
local LATEST = 4503599627370496

local now, spare
if ARGV[1] == '' then
  local time = redis.call('TIME')
  now, spare = tonumber(time[1]) * 1000000 + tonumber(time[2]), 0
else
  -- Time that is made up does not pass while keys expire: keep them for ten minutes more.
  now, spare = tonumber(ARGV[1]), 600000
end
now = math.max(0, math.min(now, LATEST))

local function ahead_of(tat, tolerance)
  if not tat then return 0 end
  -- Put this way round, what is not a number counts as full as well.
  if not (tat >= 0 and tat <= now + tolerance + STRAY) then return tolerance end
  return math.max(tat - now, 0)
end

local function keep(key, tat)
  local left = math.max(math.ceil((tat - now) / 1000), 1) + spare
  redis.call('SET', key, string.format('%.0f', tat), 'PX', string.format('%.0f', left))
end

local function terms_of(i)
  return tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1])
end

local kept, after, refused, taken = {}, {}, {}, {}
local last = {}
local all = true
for i, key in ipairs(KEYS) do
  local interval, tolerance, take = terms_of(i)
  local raw = redis.call('GET', key)
  kept[i] = raw and (tonumber(raw) or -1)
  -- The same key twice in one call: the second charge stands on the first.
  local ahead = ahead_of(last[key] or kept[i], tolerance)
  local room = math.floor((tolerance - ahead) / interval)
  if room >= 1 then
    taken[i] = math.max(1, math.min(take, room))
    after[i] = now + ahead + interval * taken[i]
  else
    taken[i] = 0
    refused[i] = ahead + interval - tolerance
    after[i] = now + ahead
    all = false
  end
  last[key] = after[i]
end

local answer = {}
for i, key in ipairs(KEYS) do
  local interval, tolerance = terms_of(i)
  local ahead = after[i] - now
  if all then
    keep(key, after[i])
  elseif not refused[i] then
    ahead = ahead_of(kept[i], tolerance)
  elseif kept[i] and (kept[i] < 0 or not (kept[i] <= after[i])) then
    keep(key, after[i])
  end
  answer[#answer + 1] = refused[i] and 0 or 1
  answer[#answer + 1] = all and taken[i] or 0
  -- A quota that has shrunk can leave a cell further ahead than it tolerates now.
  answer[#answer + 1] = math.max(math.floor((tolerance - ahead) / interval), 0)
  answer[#answer + 1] = refused[i] or 0
  answer[#answer + 1] = ahead
end
return answer
