-- refused
-- The text starts like bytecode, in an encoding that editors show as text.
Lua return 1
