-- Tokens, comments, literals, precedence of operators.
print(0xff, 0XA, 0x.1, 0x1p-2, 1e3, 1E-3, 3., .3, 1//1, 3 --[[ a comment ]] + 4) -- another
print("\a\b\f\v" == "\7\8\12\11", "\x41\u{42}\67", "\z
       joined", 'single "double"', "double 'single'", "a\
b")
print([[raw \n]], [==[
first line feed dropped]==], #[[

x]], [=[]]]=])
--[[ a
long comment ]] print("after a long comment")
--[==[ ]] ]=] ]==] print("after a longer one")
---[[ not a long comment
print("seen")
--]]
print(1 + 2 * 3, (1 + 2) * 3, 2 ^ 3 ^ 2, -2 ^ 2, 2 ^ -2, not true == false, not (true == false))
print(1 .. 2 .. 3, "a" .. 1 + 2, 1 + 1 == 2 and "yes" or "no", 5 - 3 - 1, 2 * 3 // 4, 7 // 2 * 2, 100 / 10 / 2)
print(1 << 2 << 3, 1 << 2 + 3, 1 | 2 & 3, 1 ~ 2 | 3, 6 & 3 << 1, ~1 & 3, -1 >> 60, 5 > 3 == true)
print(1 < 2 and 2 < 3, 1 < 2 == true, "a" < "b" and "b" or "c", nil or false, false or nil, nil and 1, 0 and 1)
print(#"abc" + 1, -#"abc", #"a" .. "b", - -1, not nil, not not nil, ~~5, -(-3))
print(("x"):rep(3), ("%d"):format(3), #"abc" == 3, ({1, 2, 3})[2], (function() return 7 end)())
local t = {1, 2, 3, [10] = 10, x = "x", ["y z"] = "yz", [1 + 1] = "overwritten?", f = function() return "f" end; 4}
print(#t, t[1], t[2], t[4], t[10], t.x, t["y z"], t.f())
local s = "method"
print(s:upper(), s:sub(2, -2):len(), ("lit"):byte(1, -1))
local function f(x) return x and x[1] or "string call" end
print(f{5}, f"text"[1] == nil, #f"text", type(f[[x]]))
local a <const>, b = 1, 2; local c = a; ; b = c
print(a, b, c)
do local a = 2 print(a) end
print(a)
local long = 1
  + 2
  + 3
print(long)
print(nil == false, 1 == 1.0, "1" == 1, {} == {}, print == print)
print(2^53 == 2^53 + 1, 1e308 * 10 == math.huge, -0.0 == 0.0, 1/0 > math.maxinteger)
print(0x7fffffffffffffff + 1 == math.mininteger, 1e15, 1e14, 123456789012, 0.1e1, 5 // 0.3)
goto skip
print("never")
::skip:: print("skipped")
print(#"äöü", "äöü", "\u{E4}" == "ä", "\xE4" == "ä")
local reserved = {["end"] = 1, ["nil"] = 2}
print(reserved["end"], reserved["nil"])
print(10 == "10", 10 .. "" == "10", "abc" < "abd", "Z" < "a", "" < "a", "a" < "a\0")
