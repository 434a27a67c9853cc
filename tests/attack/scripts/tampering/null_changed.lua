-- json.null becomes something else, also for those who decode.
pcall(function()
  json.null = {}
  json.decode = function() return json.null end
  json.encode = function() return "{}" end
end)
return {n = json.null}
