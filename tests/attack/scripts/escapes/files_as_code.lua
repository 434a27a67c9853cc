-- Compiles and runs files.
for _, name in ipairs({"dofile", "loadfile"}) do
  if _G[name] then
    local ok, what = pcall(_G[name], "/proc/self/maps")
    return "ESCAPED: " .. name .. " " .. tostring(ok) .. tostring(what)
  end
end
return "not there"
