-- Runs a script the way the sandbox does, as a chunk named "script", in the stock program: lua5.4 stock.lua FILE
local file <close> = assert(io.open(arg[1], "rb"))
local script = assert(load(file:read("a"), "=script", "t"))
-- Under pcall, or the program's own handler would add its traceback to errors that load catches.
local ok, message = pcall(script)
if not ok then
  io.stderr:write(tostring(message), "\n")
  os.exit(1)
end
