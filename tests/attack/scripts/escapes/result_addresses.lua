-- Returns values that JSON cannot express, deep in a table.
return {a = {b = {c = {1, 2, coroutine.create(print)}}}}
