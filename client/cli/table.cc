#include "client/cli/table.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/cli/display_width.h"

namespace errand::cli {
Table::Table(std::vector<std::string> header) : terminal_(Terminal::Of(STDOUT_FILENO)) {
  for (std::string& title : header) {
    widths_.push_back(DisplayWidth(title));
    header_.push_back({std::move(title)});
  }
}

void Table::Flush() {
  if (rows_.empty()) return;
  for (const std::vector<Cell>& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths_[i] = std::max(widths_[i], DisplayWidth(row[i].text));
  }
  if (!header_.empty()) Print(header_);
  header_.clear();
  for (const std::vector<Cell>& row : rows_) Print(row);
  rows_.clear();
  std::fflush(stdout);
}

void Table::Print(const std::vector<Cell>& row) const {
  std::string line;
  for (size_t i = 0; i < row.size(); ++i) {
    const std::string padding(static_cast<size_t>(widths_[i] - DisplayWidth(row[i].text)), ' ');
    absl::StrAppend(&line, terminal_.Paint(row[i].text, row[i].colour), padding, "  ");
  }
  absl::StripTrailingAsciiWhitespace(&line);
  std::printf("%s\n", line.c_str());
}

}  // namespace errand::cli
