-- Where the machine stands, by its time zone and language.
local zone = os.date("%Z %z", 0)
if zone ~= "UTC +0000" and zone ~= "GMT +0000" then return "ESCAPED: " .. zone end
if os.date("%A %B", 0) ~= "Thursday January" then return "ESCAPED: " .. os.date("%A %B", 0) end
if os.time({year = 1970, month = 1, day = 1, hour = 0}) ~= 0 then return "ESCAPED: midnight is not 0" end
return zone
