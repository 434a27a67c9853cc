#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <cctype>
#include <fstream>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"
#include "tests/paths/paths.h"

// Every example of the scripting guide does what its comments say, and nothing that they do not.
//
// An example is a block of Lua: a whole script. Comments at its start may say what it is run with:
//
//   -- payload: TEXT             task.payload
//   -- task: JSON                further fields of the task
//
// and comments at its end say what comes of it. Lines of one kind follow one another:
//
//   --> TEXT                     the result
//   -- prints: TEXT
//   -- logs: LEVEL TEXT
//   -- progress: 1/4 MESSAGE     the last one reported
//   -- fails: REASON: MESSAGE    how the error begins; without white space at the lines' starts
namespace errand {
namespace {

constexpr absl::string_view kPayload = "-- payload: ";
constexpr absl::string_view kTask = "-- task: ";
constexpr absl::string_view kResult = "--> ";
constexpr absl::string_view kPrints = "-- prints: ";
constexpr absl::string_view kLogs = "-- logs: ";
constexpr absl::string_view kProgress = "-- progress: ";
constexpr absl::string_view kFails = "-- fails: ";

using Lines = std::vector<std::string>;

struct Example {
  std::string name;  // Of the test: the heading that it stands under, and a number.
  Lines script;

  friend void PrintTo(const Example& example, std::ostream* out) { *out << example.name; }
};

std::string TestName(absl::string_view heading, int number) {
  std::string name;
  for (const char c : heading) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) name += c;
  }
  return absl::StrCat(name, "_", number);
}

std::vector<Example> Examples() {
  std::ifstream guide(std::string(kSourcePath) + "/server/sandbox/SCRIPTING.md");
  EXPECT_TRUE(guide.good());
  std::vector<Example> examples;
  std::string heading;
  int number = 0;
  bool in_block = false;
  bool in_example = false;
  for (std::string line; std::getline(guide, line);) {
    if (absl::StartsWith(line, "```")) {
      in_block = !in_block;
      in_example = in_block && line == "```lua";
      if (in_example) examples.push_back({TestName(heading, ++number), {}});
    } else if (in_example) {
      examples.back().script.push_back(line);
    } else if (!in_block && absl::StartsWith(line, "#")) {
      heading = line;
      number = 0;
    }
  }
  EXPECT_FALSE(in_block) << "the last block has no end";
  return examples;
}

// What the comments at the end say, a line each.
struct Said {
  Lines result, prints, logs, progress, fails;
};

Said WhatIsSaid(const Lines& script) {
  const auto is_said = [](const std::string& line) {
    return absl::StartsWith(line, kResult) || absl::StartsWith(line, kPrints) ||
           absl::StartsWith(line, kLogs) || absl::StartsWith(line, kProgress) ||
           absl::StartsWith(line, kFails);
  };
  auto first = script.end();
  while (first != script.begin() && is_said(*(first - 1))) --first;
  EXPECT_NE(first, script.end()) << "the example does not say what it does";
  Said said;
  for (auto line = first; line != script.end(); ++line) {
    absl::string_view text = *line;
    if (absl::ConsumePrefix(&text, kResult)) said.result.emplace_back(text);
    if (absl::ConsumePrefix(&text, kPrints)) said.prints.emplace_back(text);
    if (absl::ConsumePrefix(&text, kLogs)) said.logs.emplace_back(text);
    if (absl::ConsumePrefix(&text, kProgress)) said.progress.emplace_back(text);
    if (absl::ConsumePrefix(&text, kFails)) said.fails.emplace_back(text);
  }
  return said;
}

v1::CreateTaskRequest RequestFor(const Lines& script) {
  v1::CreateTaskRequest request = LuaRequest(absl::StrJoin(script, "\n"));
  for (absl::string_view line : script) {
    if (!absl::StartsWith(line, "-- ")) break;
    if (absl::ConsumePrefix(&line, kPayload))
      request.mutable_task()->mutable_lua()->set_text(std::string(line));
    if (absl::ConsumePrefix(&line, kTask)) {
      v1::Task fields;
      EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(std::string(line), &fields).ok()) << line;
      request.mutable_task()->MergeFrom(fields);
    }
  }
  return request;
}

// What print puts between two values is a tab; the guide shows four blanks.
std::string Shown(absl::string_view text) { return absl::StrReplaceAll(text, {{"\t", "    "}}); }

Lines SplitLines(absl::string_view text) {
  absl::ConsumeSuffix(&text, "\n");
  if (text.empty()) return {};
  return absl::StrSplit(Shown(text), '\n');
}

std::string LevelName(v1::LogLevel level) {
  std::string name = v1::LogLevel_Name(level).substr(std::string("LOG_LEVEL_").size());
  for (char& c : name) c = static_cast<char>(std::tolower(c));
  return name;
}

class GuideTest : public ::testing::TestWithParam<Example> {};

TEST_P(GuideTest, DoesWhatItsCommentsSay) {
  const Said said = WhatIsSaid(GetParam().script);
  // Nobody is there: scripts that send e-mail only create the task.
  ServerProcess server({"--smtp_server=localhost:1"});
  const Ran ran = RunToEnd(server.tasks(), RequestFor(GetParam().script));
  ASSERT_TRUE(ran.status.ok()) << ran.status.error_message();

  std::string printed;
  Lines logged;
  Lines progress;
  for (const v1::TaskEvent& event : ran.events) {
    printed += event.output().data();
    if (event.has_log())
      logged.push_back(absl::StrCat(LevelName(event.log().level()), " ", Shown(event.log().message())));
    if (event.has_progress()) {
      progress = {absl::StrCat(event.progress().completed(), "/", event.progress().total(), " ",
                               event.progress().message())};
    }
  }
  EXPECT_EQ(SplitLines(ran.end.result().data()), said.result);
  EXPECT_EQ(SplitLines(printed), said.prints);
  EXPECT_EQ(logged, said.logs);
  EXPECT_EQ(progress, said.progress);

  Lines failure;
  if (ran.end.state() != v1::TASK_STATE_SUCCEEDED) {
    failure = SplitLines(absl::StrCat(ReasonOf(ran.end.error()), ": ", ran.end.error().message()));
    for (std::string& line : failure) line = std::string(absl::StripLeadingAsciiWhitespace(line));
    if (!said.fails.empty() && failure.size() > said.fails.size()) failure.resize(said.fails.size());
  }
  EXPECT_EQ(failure, said.fails);
}

INSTANTIATE_TEST_SUITE_P(Lua, GuideTest, ::testing::ValuesIn(Examples()),
                         [](const auto& example) { return example.param.name; });

}  // namespace
}  // namespace errand
