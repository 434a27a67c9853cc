-- Ends with an error value that is a function.
error(coroutine.wrap(function() end))
