-- Long chains of right associative operators and of else-ifs.
load("return " .. ("a.."):rep(200000) .. "a")
load("return " .. ("2^"):rep(200000) .. "2")
load("return " .. ("a and b or "):rep(100000) .. "c")
load("if a then " .. ("elseif b then "):rep(100000) .. "end")
load("x = " .. ("a, "):rep(200000) .. "a")
load(("a, "):rep(200000) .. "a = 1")
return "compiled or refused"
