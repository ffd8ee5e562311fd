"""What has to happen at once, as scripts that Redis runs.

Each checks that the stream is still the caller's, by lease and epoch. Beside that a log refuses
entries below its last one by itself (`XADD`), so whoever was deposed cannot write in any case.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

OK, BEHIND, OVER = 0, -3, 1
"""What scripts return: done; the log ends elsewhere than the caller believes; it has ended already.
-1 is that there is no such stream, -2 that it is another's."""


class Script(NamedTuple):
    text: str
    sha: str


def _script(text: str) -> Script:
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


# KEYS row, log. ARGV lease, epoch, last number so far, the new one, cursor; entries: id, frames.
APPEND = _script("""
local row = redis.call('HMGET', KEYS[1], 'lease', 'epoch', 'last_seq')
if not row[1] then return {-1, 0} end
if row[1] ~= ARGV[1] or row[2] ~= ARGV[2] then return {-2, 0} end
if row[3] ~= ARGV[3] then return {-3, tonumber(row[3])} end
for at = 6, #ARGV, 2 do redis.call('XADD', KEYS[2], ARGV[at], 'f', ARGV[at + 1]) end
redis.call('HSET', KEYS[1], 'last_seq', ARGV[4], 'cursor', ARGV[5])
return {0, tonumber(ARGV[4])}
""")

# KEYS row. ARGV lease, epoch, then fields and values.
UPDATE = _script("""
local row = redis.call('HMGET', KEYS[1], 'lease', 'epoch')
if not row[1] then return -1 end
if row[1] ~= ARGV[1] or row[2] ~= ARGV[2] then return -2 end
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
return 0
""")

# KEYS row, log, call. ARGV lease, epoch, ms to keep it, frames of a last entry or '', the last
# number so far, fields and values. An entry without frames closes the log, so that whoever waits
# for more is woken.
SETTLE = _script("""
local row = redis.call('HMGET', KEYS[1], 'lease', 'epoch', 'state', 'last_seq')
if not row[1] then return -1 end
if row[2] ~= ARGV[2] then return -2 end
if row[3] ~= 'live' and row[3] ~= 'stopping' then return 1 end
if row[1] ~= ARGV[1] then return -2 end
if row[4] ~= ARGV[5] then return -3 end
local last = tonumber(row[4])
if ARGV[4] ~= '' then
  last = last + 1
  redis.call('XADD', KEYS[2], row[2] .. '-' .. last, 'f', ARGV[4])
end
redis.call('XADD', KEYS[2], row[2] .. '-' .. (last + 1), 'f', '')
redis.call('HSET', KEYS[1], 'lease', '', 'last_seq', last, unpack(ARGV, 6))
for at = 1, #KEYS do redis.call('PEXPIRE', KEYS[at], ARGV[3]) end
return 0
""")

# KEYS row, log. ARGV the old lease, the new one, the frames of the new epoch's first entry. Epochs
# are seconds since 2026, so that none comes twice, should Redis come back without one of them.
ADOPT = _script("""
local row = redis.call('HMGET', KEYS[1], 'lease', 'epoch', 'state', 'last_seq')
if row[3] ~= 'live' and row[3] ~= 'stopping' then return {0, 0} end
if row[1] == ARGV[2] then return {tonumber(row[2]), tonumber(row[4])} end
if row[1] ~= ARGV[1] then return {0, 0} end
local now = tonumber(redis.call('TIME')[1]) - 1767225600
local epoch, last = math.max(tonumber(row[2]) + 1, now), tonumber(row[4]) + 1
epoch = string.format('%.0f', epoch)
redis.call('XADD', KEYS[2], epoch .. '-' .. last, 'f', ARGV[3])
redis.call('HSET', KEYS[1], 'lease', ARGV[2], 'epoch', epoch, 'last_seq', last)
return {tonumber(epoch), last}
""")

# KEYS row. ARGV the lease that gives it up, and what stands for nobody's.
ABANDON = _script("""
if redis.call('HGET', KEYS[1], 'lease') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'lease', ARGV[2])
return 1
""")

# KEYS row. Returns the lease of whoever has to be told; '' if the stream has ended.
ASK_STOP = _script("""
local row = redis.call('HMGET', KEYS[1], 'lease', 'state')
if row[2] == 'live' then redis.call('HSET', KEYS[1], 'state', 'stopping') end
if row[2] == 'live' or row[2] == 'stopping' then return row[1] end
return ''
""")

# KEYS the key's, the key's past, the owner's streams, live ones, the stream's past. ARGV stream id,
# time, '1' if a key was given, ms to remember all that, the time before which nothing is listed.
# Returns 1 if the stream may start.
REGISTER = _script("""
if ARGV[3] == '1' then
  if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
  local taken = redis.call('GET', KEYS[1])
  if taken and taken ~= ARGV[1] then return 0 end
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[4])
end
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1])
redis.call('ZADD', KEYS[4], ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', ARGV[5])
redis.call('PEXPIRE', KEYS[3], ARGV[4])
redis.call('PEXPIRE', KEYS[4], ARGV[4])
redis.call('SET', KEYS[5], '1', 'PX', ARGV[4])
return 1
""")

# KEYS hash. ARGV seconds to keep it, field, value.
NOTE = _script("""
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
return redis.call('EXPIRE', KEYS[1], ARGV[1])
""")

# KEYS log. ARGV seconds to keep it, how many entries, then the fields and values of the new one.
ORDER = _script("""
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', unpack(ARGV, 3))
return redis.call('EXPIRE', KEYS[1], ARGV[1])
""")

# KEYS one. ARGV the value that it must have.
DROP = _script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
""")
