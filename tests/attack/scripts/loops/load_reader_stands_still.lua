-- The reader of load is asked for a piece and does not come back.
load(function() while true do end end)
