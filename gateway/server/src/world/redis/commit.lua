-- Makes all changes of one commit, or none. Every key is `ptcl:{store}:…`, one slot of a cluster, so which ones are
-- touched may be known only here; KEYS[1] sends the script to the right server.
--
-- INVARIANT: nothing is written before every key that will be written has been looked at. While a cluster moves the
-- slot, looking at a key that is not here fails, and the script with it: then nothing is written.
--
-- ARGV: now in microseconds, nonce, the number of records in the log of changes, then the audit entry: what is hashed
-- of it (empty: no entry), at, actor, action, subject, before, after. Then for each write: verb, kind, id, expected;
-- and for `put`: body, place in order, created, expires, tags with a zero byte between them.
-- Answers 'done' and the number of the commit, 'conflict', or 'full' for a number that can grow no more.

local P = 'ptcl:{store}:'
local LATEST = 4503599627370496

local function be32(n)
  return string.char(bit.band(bit.rshift(n, 24), 255), bit.band(bit.rshift(n, 16), 255),
    bit.band(bit.rshift(n, 8), 255), bit.band(n, 255))
end

local function be64(n)
  return be32(math.floor(n / 4294967296)) .. be32(n % 4294967296)
end

-- SHA-256 (FIPS 180-4): Redis itself has SHA-1 alone.
local function sha256(text)
  local k = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
  }
  local h = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
  }
  local ror, xor, shift, both, tobit = bit.ror, bit.bxor, bit.rshift, bit.band, bit.tobit
  text = text .. '\128' .. string.rep('\0', (55 - #text) % 64) .. be64(#text * 8)
  local w = {}
  for block = 1, #text, 64 do
    for i = 1, 16 do
      local a, b, c, d = string.byte(text, block + 4 * i - 4, block + 4 * i - 1)
      w[i] = tobit(a * 16777216 + b * 65536 + c * 256 + d)
    end
    for i = 17, 64 do
      local x, y = w[i - 15], w[i - 2]
      local s0 = xor(ror(x, 7), ror(x, 18), shift(x, 3))
      local s1 = xor(ror(y, 17), ror(y, 19), shift(y, 10))
      w[i] = tobit(w[i - 16] + s0 + w[i - 7] + s1)
    end
    local a, b, c, d, e, f, g, j = unpack(h)
    for i = 1, 64 do
      local s1 = xor(ror(e, 6), ror(e, 11), ror(e, 25))
      local t1 = j + s1 + xor(both(e, f), both(bit.bnot(e), g)) + k[i] + w[i]
      local s0 = xor(ror(a, 2), ror(a, 13), ror(a, 22))
      local t2 = s0 + xor(both(a, b), both(a, c), both(b, c))
      j, g, f, e, d, c, b, a = g, f, e, tobit(d + t1), c, b, a, tobit(t1 + t2)
    end
    for i, x in ipairs({ a, b, c, d, e, f, g, j }) do h[i] = tobit(h[i] + x) end
  end
  local out = ''
  for i = 1, 8 do out = out .. be32(h[i]) end
  return out
end

local now, nonce, logged = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])

-- What came before: this very commit, whose answer was lost.
local before = redis.call('GET', P .. 'done:' .. nonce)
if before then return { 'done', tonumber(before) } end

local function split(tags)
  local list = {}
  for tag in string.gmatch(tags or '', '[^%z]+') do list[#list + 1] = tag end
  return list
end

local function look(key) redis.call('EXISTS', key) end

local writes, at = {}, 11
while at <= #ARGV do
  local w = { verb = ARGV[at], kind = ARGV[at + 1], id = ARGV[at + 2], expected = ARGV[at + 3] }
  at = at + 4
  if w.verb == 'put' then
    w.body, w.place, w.created, w.expires, w.tags =
      ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
    at = at + 5
  end
  w.key = P .. 'r:' .. w.kind .. ':' .. w.id
  w.order = P .. 'o:' .. w.kind
  w.tagged = P .. 't:' .. w.kind .. ':'
  w.name = w.kind .. '\0' .. w.id
  local old = redis.call('HMGET', w.key, 'v', 'p', 't', 'e')
  if old[1] then
    w.old = { version = old[1], place = old[2], tags = old[3], expires = old[4] }
    for _, tag in ipairs(split(w.old.tags)) do look(w.tagged .. tag) end
  end
  for _, tag in ipairs(split(w.tags)) do look(w.tagged .. tag) end
  look(w.order)
  writes[#writes + 1] = w

  local live = w.old and (w.old.expires == '' or tonumber(w.old.expires) > now) and w.old.version
  local met
  if w.expected == 'any' then
    met = true
  elseif w.expected == 'absent' then
    met = not live
  elseif w.expected == 'ended' then
    met = w.old and not live
  else
    met = live == w.expected
  end
  if not met then return { 'conflict' } end
end
for _, name in ipairs({ 'changes', 'forgotten', 'ends', 'audit', 'head' }) do look(P .. name) end

if (tonumber(redis.call('GET', KEYS[1])) or 0) >= LATEST then return { 'full' } end
local number = redis.call('INCR', KEYS[1])
local version = string.format('%.0f', number)

for _, w in ipairs(writes) do
  if w.old and (w.verb == 'rm' or w.old.place ~= w.place or w.old.tags ~= w.tags) then
    redis.call('ZREM', w.order, w.old.place)
    for _, tag in ipairs(split(w.old.tags)) do redis.call('ZREM', w.tagged .. tag, w.old.place) end
  end
  if w.verb == 'put' then
    redis.call('HSET', w.key, 'v', version, 'b', w.body, 'p', w.place, 'c', w.created, 'e', w.expires, 't', w.tags)
    redis.call('ZADD', w.order, 0, w.place)
    for _, tag in ipairs(split(w.tags)) do redis.call('ZADD', w.tagged .. tag, 0, w.place) end
    if w.expires ~= '' then
      redis.call('ZADD', P .. 'ends', w.expires, w.name)
    elseif w.old and w.old.expires ~= '' then
      redis.call('ZREM', P .. 'ends', w.name)
    end
  elseif w.old then
    redis.call('DEL', w.key)
    redis.call('ZREM', P .. 'ends', w.name)
  end
  redis.call('ZADD', P .. 'changes', version, w.name)
end

local surplus = redis.call('ZCARD', P .. 'changes') - logged
if surplus > 0 then
  local last = redis.call('ZRANGE', P .. 'changes', surplus - 1, surplus - 1, 'WITHSCORES')
  redis.call('SET', P .. 'forgotten', last[2])
  redis.call('ZREMRANGEBYRANK', P .. 'changes', 0, surplus - 1)
end

if ARGV[4] ~= '' then
  local head = redis.call('HMGET', P .. 'head', 'seq', 'hash')
  local seq, previous = (tonumber(head[1]) or 0) + 1, head[2] or string.rep('\0', 32)
  local hash = sha256(be64(32) .. previous .. be64(8) .. be64(seq) .. ARGV[4])
  local place = string.format('%.0f', seq)
  redis.call('XADD', P .. 'audit', place .. '-0', 'at', ARGV[5], 'actor', ARGV[6], 'action', ARGV[7],
    'subject', ARGV[8], 'before', ARGV[9], 'after', ARGV[10], 'previous', previous, 'hash', hash)
  redis.call('HSET', P .. 'head', 'seq', place, 'hash', hash)
end

redis.call('SET', P .. 'done:' .. nonce, version, 'PX', 60000)
redis.call('PUBLISH', P .. 'changed', version)
return { 'done', number }
