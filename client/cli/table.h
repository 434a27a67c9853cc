#ifndef ERRAND_CLIENT_CLI_TABLE_H_
#define ERRAND_CLIENT_CLI_TABLE_H_

#include <string>
#include <vector>

#include "client/cli/terminal.h"

namespace errand::cli {

// Rows in aligned columns under a header, on standard output. Long tables are printed in parts; a column
// never gets narrower from one part to the next.
class Table {
 public:
  struct Cell {
    std::string text;  // Free of control characters, as Printable() makes it.
    v1::TaskState colour = v1::TASK_STATE_UNSPECIFIED;
  };

  explicit Table(std::vector<std::string> header);

  // `row` has a cell for each column.
  void Add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }

  // Prints the rows added since the last time; the header comes before the first.
  void Flush();

 private:
  void Print(const std::vector<Cell>& row) const;

  const Terminal terminal_;
  std::vector<Cell> header_;  // Empty once it is printed.
  std::vector<int> widths_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_TABLE_H_
