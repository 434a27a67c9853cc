#ifndef ERRAND_TESTS_BENCH_TABLE_H_
#define ERRAND_TESTS_BENCH_TABLE_H_

#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace errand::bench {

// What a column is called, in JSON and for people.
struct Column {
  std::string key;
  std::string heading;
  int decimals = 0;
};

using Cell = std::variant<std::string, double>;

// The outcome of one scenario.
struct Table {
  std::string name;   // The scenario's.
  std::string title;  // One line.
  std::vector<std::string> notes;
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows;
};

// What was measured on.
struct Machine {
  int cores = 0;
  double load_before = 0;  // The load average of the last minute, before the bench.
};

Machine DescribeMachine();

void PrintText(const Machine& machine);
void PrintText(const Table& table);

// One object: the machine, and the tables by name with an object a row.
void PrintJson(const Machine& machine, const std::vector<Table>& tables);

}  // namespace errand::bench

#endif  // ERRAND_TESTS_BENCH_TABLE_H_
