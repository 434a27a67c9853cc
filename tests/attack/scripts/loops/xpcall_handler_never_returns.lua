-- The loop is in the message handler, where an error has just happened already.
xpcall(error, function() while true do end end, "to the handler")
