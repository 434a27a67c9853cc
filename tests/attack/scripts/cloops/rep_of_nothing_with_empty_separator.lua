-- The same, with a separator that is empty as well.
return #string.rep("", math.maxinteger, "")
