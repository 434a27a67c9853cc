-- Adds up the orders in the payload, and reports each one as it is done.
local orders = json.decode(task.payload)
local report = {orders = #orders, total = 0, customers = {}}

for number, order in ipairs(orders) do
  local sum = 0
  for _, item in ipairs(order.items) do
    sum = sum + item.price
  end
  report.total = report.total + sum
  report.customers[order.customer] = sum
  task.sleep(0.2) -- as if it were more work
  task.progress(number, #orders, order.customer)
end

task.log("the largest order is worth a call")
return report
