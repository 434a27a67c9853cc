-- Blocks and functions nested in source text.
for _, open in ipairs({"do ", "while 1 do ", "function f() ", "if 1 then ", "repeat ", "for i = 1, 2 do ",
                       "return function() ", "local function f() ", "x = function() ", "if 1 then else "}) do
  load(open:rep(100000))
end
return "refused"
