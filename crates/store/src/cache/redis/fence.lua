-- Puts an entry in the place of one that reflects less: for readers, who fill gaps, and
-- for workers, who refresh what exists.
--
-- KEYS[1]  the entry
-- ARGV[1]  its value: a header of HEADER bytes, the first RANK of them FORM and digits
-- ARGV[2]  its time to live, in milliseconds
-- ARGV[3]  "fill", or "refresh": only if there is an entry
-- ARGV[4]  the header of an entry that is known to be broken; it has to give way
local new = string.sub(ARGV[1], 1, RANK)
-- A key of another type is an error, and gives way like any garbage.
local old = redis.pcall('GETRANGE', KEYS[1], 0, HEADER - 1)
if type(old) == 'string' then
  if old == '' and ARGV[3] == 'refresh' then
    return 'absent'
  end
  local rank = string.sub(old, 1, RANK)
  local is_whole = #old == HEADER and string.find(rank, '^' .. FORM .. '%d+$')
  -- Digits, as they sort alike in every locale that Redis may compare strings by, and
  -- no numbers, as those of Lua are exact only up to 2^53.
  if is_whole and old ~= ARGV[4] and rank >= new then
    return 'kept'
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 'written'
