-- The error is nil.
error()
