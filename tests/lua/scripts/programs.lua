-- Small programs that use much of the language at once.
local primes = {}
for n = 2, 60 do
  local prime = true
  for _, p in ipairs(primes) do
    if p * p > n then break end
    if n % p == 0 then prime = false break end
  end
  if prime then primes[#primes + 1] = n end
end
print(table.concat(primes, " "))
local function quicksort(t, lo, hi)
  lo, hi = lo or 1, hi or #t
  if lo < hi then
    local pivot, i = t[hi], lo
    for j = lo, hi - 1 do
      if t[j] < pivot then t[i], t[j] = t[j], t[i] i = i + 1 end
    end
    t[i], t[hi] = t[hi], t[i]
    quicksort(t, lo, i - 1)
    quicksort(t, i + 1, hi)
  end
  return t
end
print(table.concat(quicksort({5, 2, 9, 1, 5, 6, -3, 0, 12}), " "))
local function queens(n)
  local columns, count = {}, 0
  local function place(row)
    if row > n then count = count + 1 return end
    for c = 1, n do
      local free = true
      for r = 1, row - 1 do
        if columns[r] == c or math.abs(columns[r] - c) == row - r then free = false break end
      end
      if free then columns[row] = c place(row + 1) end
    end
  end
  place(1)
  return count
end
print(queens(4), queens(5), queens(6))
local words = {}
for word in ("the quick brown fox jumps over the lazy dog the end"):gmatch("%a+") do words[word] = (words[word] or 0) + 1 end
local names = {}
for word in pairs(words) do names[#names + 1] = word end
table.sort(names, function(a, b) if words[a] ~= words[b] then return words[a] > words[b] end return a < b end)
for i = 1, 4 do print(names[i], words[names[i]]) end
local function crc32(s)
  local crc = 0xFFFFFFFF
  for i = 1, #s do
    crc = crc ~ s:byte(i)
    for _ = 1, 8 do crc = (crc >> 1) ~ (0xEDB88320 & -(crc & 1)) end
  end
  return crc ~ 0xFFFFFFFF
end
print(("%08x"):format(crc32("123456789")), ("%08x"):format(crc32("")))
local Stack = {} Stack.__index = Stack
function Stack.new() return setmetatable({n = 0}, Stack) end
function Stack:push(...) for _, v in ipairs({...}) do self.n = self.n + 1 self[self.n] = v end return self end
function Stack:pop() local v = self[self.n] self[self.n] = nil self.n = self.n - 1 return v end
local function rpn(text)
  local stack = Stack.new()
  local ops = {["+"] = function(a, b) return a + b end, ["*"] = function(a, b) return a * b end,
               ["-"] = function(a, b) return a - b end, ["/"] = function(a, b) return a / b end}
  for token in text:gmatch("%S+") do
    if ops[token] then
      local b, a = stack:pop(), stack:pop()
      stack:push(ops[token](a, b))
    else
      stack:push(math.tointeger(token) or tonumber(token))
    end
  end
  return stack:pop()
end
print(rpn("3 4 + 2 *"), rpn("5 1 2 + 4 * + 3 -"), rpn("1 2 /"))
local function producer(n) return coroutine.wrap(function() for i = 1, n do coroutine.yield(i) end end) end
local function filter(source, f) return coroutine.wrap(function() for v in source do if f(v) then coroutine.yield(v) end end end) end
local function map(source, f) return coroutine.wrap(function() for v in source do coroutine.yield(f(v)) end end) end
local out = {}
for v in map(filter(producer(20), function(n) return n % 3 == 0 end), function(n) return n * n end) do out[#out + 1] = v end
print(table.concat(out, " "))
local function serialize(v)
  if type(v) ~= "table" then return ("%q"):format(v) end
  local keys, parts = {}, {}
  for k in pairs(v) do keys[#keys + 1] = k end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for _, k in ipairs(keys) do parts[#parts + 1] = "[" .. serialize(k) .. "]=" .. serialize(v[k]) end
  return "{" .. table.concat(parts, ",") .. "}"
end
local text = serialize({1, "two", {x = 1.5, ["y z"] = {true, false}}, n = math.mininteger})
print(text, serialize(load("return " .. text)()) == text)
local function roman(n)
  local result = ""
  for _, pair in ipairs({{1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"}, {90, "XC"}, {50, "L"}, {40, "XL"},
                         {10, "X"}, {9, "IX"}, {5, "V"}, {4, "IV"}, {1, "I"}}) do
    while n >= pair[1] do result, n = result .. pair[2], n - pair[1] end
  end
  return result
end
print(roman(1994), roman(2026), roman(49))
local life = {[2] = {[3] = true}, [3] = {[4] = true}, [4] = {[2] = true, [3] = true, [4] = true}}
for _ = 1, 4 do
  local next_life = {}
  for y = 1, 8 do
    for x = 1, 8 do
      local n = 0
      for dy = -1, 1 do
        for dx = -1, 1 do
          if (dx ~= 0 or dy ~= 0) and life[y + dy] and life[y + dy][x + dx] then n = n + 1 end
        end
      end
      if n == 3 or (n == 2 and life[y] and life[y][x]) then
        next_life[y] = next_life[y] or {}
        next_life[y][x] = true
      end
    end
  end
  life = next_life
end
for y = 1, 6 do
  local row = {}
  for x = 1, 6 do row[x] = life[y] and life[y][x] and "#" or "." end
  print(table.concat(row))
end
local function gcd(a, b) return b == 0 and a or gcd(b, a % b) end
print(gcd(1071, 462), gcd(2^40 | 0, 6^10 // 1 | 0))
local big = {1}
for n = 2, 30 do
  local carry = 0
  for i = 1, #big do
    local v = big[i] * n + carry
    big[i], carry = v % 10, v // 10
  end
  while carry > 0 do big[#big + 1], carry = carry % 10, carry // 10 end
end
print((table.concat(big):reverse()))
