-- Fails with a table as the message.
task.fail({{}, print = 1}, {permanent = true})
