-- The conversions before %p are counted wrongly by whoever looks for it only roughly.
local t = {}
for _, f in ipairs({"%%p%%%%%s", "%5%%p", "%.3s%%%s", "%1$p", "%lp", "%hhp", "%*p", "%\0p", "%.99s", "%-99s", "%5%s",
                    "%c%s", "%i%s", "%u%s", "%.s", "%-.20s", "%+s", "%#s", "% s", "%00s", "%123s"}) do
  for _, a in ipairs({t, 65, "x"}) do
    local ok, text = pcall(string.format, f, a, t, t, t)
    if ok and text:find("0x%x+") or (ok and text:find("%x%x%x%x%x%x%x")) then return "ESCAPED: " .. f .. text end
  end
end
return "no address"
