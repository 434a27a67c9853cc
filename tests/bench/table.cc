#include "tests/bench/table.h"

#include <rapidjson/prettywriter.h>
#include <rapidjson/stringbuffer.h>
#include <stdlib.h>

#include <algorithm>
#include <cstdio>
#include <thread>

#include "absl/strings/str_format.h"

namespace errand::bench {
namespace {

using JsonWriter = rapidjson::PrettyWriter<rapidjson::StringBuffer>;

std::string ToText(const Cell& cell, int decimals) {
  if (const auto* text = std::get_if<std::string>(&cell)) return *text;
  return absl::StrFormat("%.*f", decimals, std::get<double>(cell));
}

void WriteString(JsonWriter& writer, const std::string& text) {
  writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

void WriteTable(JsonWriter& writer, const Table& table) {
  writer.StartObject();
  writer.Key("title");
  WriteString(writer, table.title);
  writer.Key("notes");
  writer.StartArray();
  for (const std::string& note : table.notes) WriteString(writer, note);
  writer.EndArray();
  writer.Key("rows");
  writer.StartArray();
  for (const auto& row : table.rows) {
    writer.StartObject();
    for (size_t i = 0; i < row.size(); ++i) {
      WriteString(writer, table.columns[i].key);
      if (const auto* text = std::get_if<std::string>(&row[i])) {
        WriteString(writer, *text);
      } else {
        writer.Double(std::get<double>(row[i]));
      }
    }
    writer.EndObject();
  }
  writer.EndArray();
  writer.EndObject();
}

}  // namespace

Machine DescribeMachine() {
  Machine machine;
  machine.cores = static_cast<int>(std::thread::hardware_concurrency());
  double load = 0;
  if (getloadavg(&load, 1) == 1) machine.load_before = load;
  return machine;
}

void PrintText(const Machine& machine) {
  std::printf("%d cores, load average before the start %.1f. Client and server share the cores.\n",
              machine.cores, machine.load_before);
  std::printf("Figures are medians of interleaved rounds; each server is a process of its own.\n");
  if (machine.load_before > 0.5 * machine.cores) {
    std::printf("The machine was busy with something else: believe the ratios a little, p99 not at all.\n");
  }
  std::fflush(stdout);
}

void PrintText(const Table& table) {
  std::printf("\n%s\n", table.title.c_str());
  std::vector<size_t> widths;
  std::vector<std::vector<std::string>> lines(1);
  for (const Column& column : table.columns) lines[0].push_back(column.heading);
  for (const auto& row : table.rows) {
    lines.emplace_back();
    for (size_t i = 0; i < row.size(); ++i) lines.back().push_back(ToText(row[i], table.columns[i].decimals));
  }
  for (size_t i = 0; i < table.columns.size(); ++i) {
    size_t width = 0;
    for (const auto& line : lines) width = std::max(width, line[i].size());
    widths.push_back(width);
  }
  for (const auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) {
      const bool text = !table.rows.empty() && std::holds_alternative<std::string>(table.rows[0][i]);
      const int width = static_cast<int>(widths[i]);
      std::printf("  %*s", text ? -width : width, line[i].c_str());
    }
    std::printf("\n");
  }
  for (const std::string& note : table.notes) std::printf("  - %s\n", note.c_str());
  std::fflush(stdout);
}

void PrintJson(const Machine& machine, const std::vector<Table>& tables) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.SetMaxDecimalPlaces(3);
  writer.StartObject();
  writer.Key("cores");
  writer.Int(machine.cores);
  writer.Key("load_before");
  writer.Double(machine.load_before);
  for (const Table& table : tables) {
    WriteString(writer, table.name);
    WriteTable(writer, table);
  }
  writer.EndObject();
  std::printf("%s\n", buffer.GetString());
}

}  // namespace errand::bench
