-- Takes every function out of every library.
local next, rawset, type, pcall = next, rawset, type, pcall
for _, library in next, _G do
  if type(library) == "table" and library ~= _G then
    for name in next, library do pcall(rawset, library, name, nil) end
  end
end
