#include "server/task/filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "google/rpc/error_details.pb.h"
#include "server/task/duration.h"

namespace errand::task {
namespace {

using ::testing::HasSubstr;

v1::Task ATask() {
  v1::Task task;
  task.set_state(v1::TASK_STATE_FAILED);
  task.mutable_lua();
  task.set_priority(4);
  task.set_attempt_count(2);
  task.set_root_task("queues/q/tasks/root");
  task.set_depth(2);
  (*task.mutable_labels())["team"] = "blue \"1\"";
  (*task.mutable_labels())["my.key"] = "x";
  (*task.mutable_labels())["empty"] = "";
  absl::Time created;
  std::string problem;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, "2026-01-31T12:00:00Z", &created, &problem)) << problem;
  *task.mutable_create_time() = ToProto(created);
  return task;
}

bool Matches(absl::string_view text) {
  const absl::StatusOr<Filter> filter = Filter::Parse(text, "filter");
  EXPECT_TRUE(filter.ok()) << text << ": " << filter.status();
  return filter.ok() && filter->Matches(ATask());
}

std::string Problem(absl::string_view text) {
  const absl::StatusOr<Filter> filter = Filter::Parse(text, "filter");
  EXPECT_FALSE(filter.ok()) << text;
  EXPECT_TRUE(absl::IsInvalidArgument(filter.status()));
  return std::string(filter.status().message());
}

TEST(Filter, EmptyTextMatchesAll) {
  EXPECT_TRUE(Matches(""));
  EXPECT_TRUE(Matches(" \t\n"));
}

TEST(Filter, EveryFieldIsCompared) {
  for (const char* text : {"state = FAILED",
                           "state=FAILED",
                           "state = \"FAILED\"",
                           "state != QUEUED",
                           "handler = lua",
                           "handler != email",
                           "labels.team = \"blue \\\"1\\\"\"",
                           "labels.team = 'blue \"1\"'",
                           "labels.\"my.key\" = x",
                           "labels.team != red",
                           "labels.other != x",
                           "labels.empty = \"\"",
                           "labels:team",
                           "labels:\"my.key\"",
                           "labels : empty",
                           "create_time >= \"2026-01-31T12:00:00Z\"",
                           "create_time = \"2026-01-31T13:00:00+01:00\"",
                           "create_time < \"2026-01-31T12:00:00.001Z\"",
                           "create_time != 2026-01-31T12:00:01Z",
                           "create_time > 2026-01-31T11:59:59.999999999Z",
                           "create_time <= 2026-01-31T12:00:00Z",
                           "priority > 3",
                           "priority >= 4",
                           "priority <= 4",
                           "priority = 4",
                           "priority != -4",
                           "attempt_count < 3",
                           "depth = 2",
                           "root_task = queues/q/tasks/root",
                           "root_task != \"queues/q/tasks/other\"",
                           "parent_task = \"\""}) {
    EXPECT_TRUE(Matches(text)) << text;
  }
  for (const char* text :
       {"state = QUEUED", "state != FAILED", "handler = email", "labels.team = blue", "labels.team = \"\"",
        "labels.other = \"\"", "labels:other", "labels:my", "create_time < \"2026-01-31T12:00:00Z\"",
        "create_time > \"2026-01-31T12:00:00Z\"", "priority < 4", "priority > 4", "attempt_count != 2",
        "depth < 2", "root_task = queues/q", "parent_task != \"\""}) {
    EXPECT_FALSE(Matches(text)) << text;
  }
}

TEST(Filter, ATimeThatIsNotSetMatchesNoneButUnequal) {
  for (const char* op : {"=", "<", "<=", ">", ">="}) {
    EXPECT_FALSE(Matches(absl::StrCat("end_time ", op, " \"1970-01-01T00:00:00Z\""))) << op;
  }
  EXPECT_TRUE(Matches("end_time != \"1970-01-01T00:00:00Z\""));
  EXPECT_TRUE(Matches("NOT start_time > \"1970-01-01T00:00:00Z\""));
}

// AIP-160: "a AND b OR c" is "a AND (b OR c)".
TEST(Filter, OrBindsCloserThanAnd) {
  EXPECT_FALSE(Matches("priority = 0 AND priority = 1 OR priority = 4"));
  EXPECT_TRUE(Matches("(priority = 0 AND priority = 1) OR priority = 4"));
  EXPECT_FALSE(Matches("priority = 4 OR priority = 1 AND priority = 0"));
  EXPECT_FALSE(Matches("priority = 0 priority = 1 OR priority = 4"));
}

TEST(Filter, WhiteSpaceMeansAnd) {
  EXPECT_TRUE(Matches("state=FAILED  handler=lua labels:team"));
  EXPECT_FALSE(Matches("state=FAILED handler=email"));
  EXPECT_TRUE(Matches("(state=FAILED)(handler=lua)"));
}

TEST(Filter, NotAndMinusNegateWhatFollowsThem) {
  EXPECT_TRUE(Matches("NOT state = QUEUED"));
  EXPECT_TRUE(Matches("-state = QUEUED"));
  EXPECT_FALSE(Matches("-(state = FAILED OR state = QUEUED)"));
  EXPECT_FALSE(Matches("NOT(state = FAILED)"));
  EXPECT_TRUE(Matches("NOT state = QUEUED OR state = QUEUED"));
}

TEST(Filter, AProblemNamesTheFieldThePositionAndWhatWouldBeRight) {
  EXPECT_EQ(Problem("state = FALED"),
            "filter: at position 9, 'FALED': must be one of SCHEDULED, QUEUED, RUNNING, SUCCEEDED, FAILED, "
            "CANCELLED, EXPIRED");
  EXPECT_THAT(Problem("state = failed"), HasSubstr("position 9"));
  EXPECT_THAT(Problem("state = UNSPECIFIED"), HasSubstr("must be one of SCHEDULED"));
  EXPECT_THAT(Problem("state = TASK_STATE_FAILED"), HasSubstr("must be one of SCHEDULED"));
  EXPECT_THAT(Problem("stat = FAILED"), HasSubstr("position 1, 'stat = FAILED': must be one of state"));
  EXPECT_THAT(Problem("state > FAILED"), HasSubstr("position 7, '> FAILED': must be = or !="));
  EXPECT_THAT(Problem("state FAILED"), HasSubstr("must be = or !="));
  EXPECT_THAT(Problem("priority : 3"), HasSubstr("must be one of = != < <= > >="));
  EXPECT_THAT(Problem("priority = high"), HasSubstr("must be a whole number"));
  EXPECT_THAT(Problem("priority = 99999999999999999999"), HasSubstr("must be a whole number"));
  EXPECT_THAT(Problem("create_time > yesterday"), HasSubstr("RFC 3339"));
  EXPECT_THAT(Problem("create_time > \"infinite-future\""), HasSubstr("RFC 3339"));
  EXPECT_THAT(Problem("create_time > \"2026-13-31T12:00:00Z\""), HasSubstr("RFC 3339"));
  EXPECT_THAT(Problem("handler = sms"), HasSubstr("must be lua or email"));
  EXPECT_THAT(Problem("labels = x"), HasSubstr("labels must be followed by .KEY = VALUE or :KEY"));
  EXPECT_THAT(Problem("labels.team"), HasSubstr("at the end: must be = or !="));
  EXPECT_THAT(Problem("labels. = x"), HasSubstr("the key of a label"));
  EXPECT_THAT(Problem("labels.team = "), HasSubstr("at the end: must be a value"));
  EXPECT_THAT(Problem("labels.team = \"x"), HasSubstr("position 15, '\\\"x': this quote is not closed"));
  EXPECT_THAT(Problem("labels.team = \"\\x\""), HasSubstr("a backslash must be followed by"));
  EXPECT_THAT(Problem("(state = FAILED"), HasSubstr("position 1, '(state = FAILED': this '(' needs a ')'"));
  EXPECT_THAT(Problem("state = FAILED)"), HasSubstr("position 15, ')': this ')' has no '('"));
  EXPECT_THAT(Problem("()"), HasSubstr("must be a comparison"));
  for (const char* text :
       {"state = FAILED AND", "state = FAILED OR ", "NOT", "-", "NOT NOT state = FAILED",
        "AND state = FAILED", "state = FAILED OR OR state = QUEUED", "\"state\" = FAILED"}) {
    EXPECT_THAT(Problem(text), HasSubstr("must be a comparison")) << text;
  }
}

TEST(Filter, LengthAndDepthAreBounded) {
  EXPECT_THAT(Problem(std::string(4097, ' ')), HasSubstr("must be at most 4096 bytes"));
  EXPECT_TRUE(Matches(std::string(4096, ' ')));
  const std::string fifty(50, '(');
  EXPECT_TRUE(Matches(fifty + "state=FAILED" + std::string(50, ')')));
  EXPECT_THAT(Problem(fifty + "(state=FAILED" + std::string(51, ')')), HasSubstr("position 51"));
  EXPECT_THAT(Problem(std::string(4096, '(')), HasSubstr("nested deeper than 50"));
  EXPECT_THAT(Problem(std::string(4096, '-')), HasSubstr("must be a comparison"));
}

// What goes into a string field of a message must be UTF-8, wherever the text was cut.
TEST(Filter, AProblemIsTextWhateverTheBytesAre) {
  const std::string problem = Problem("state = \xff\xfe\x01");
  EXPECT_THAT(problem, HasSubstr("\\xff\\xfe\\x01"));
  for (unsigned char c :
       Problem("state = \"\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\"")) {
    EXPECT_LT(c, 0x80);
  }
}

TEST(Filter, RandomTextNeverCrashes) {
  const std::vector<std::string> pieces = {"state",
                                           "handler",
                                           "labels",
                                           "create_time",
                                           "priority",
                                           "attempt_count",
                                           "=",
                                           "!=",
                                           "<",
                                           "<=",
                                           ">",
                                           ">=",
                                           ":",
                                           ".",
                                           "\"",
                                           "'",
                                           "\\",
                                           "(",
                                           ")",
                                           "-",
                                           "NOT",
                                           "AND",
                                           "OR",
                                           " ",
                                           "FAILED",
                                           "lua",
                                           "3",
                                           "team",
                                           "\"x y\"",
                                           "\xff",
                                           "\n",
                                           "NOTE",
                                           std::string(1, 0),
                                           "2026-01-31T12:00:00Z"};
  std::mt19937 random(4711);
  const v1::Task task = ATask();
  int parsed = 0;
  for (int round = 0; round < 50'000; ++round) {
    std::string text;
    const int words = static_cast<int>(random() % 24);
    for (int i = 0; i < words; ++i) {
      text += random() % 8 == 0 ? std::string(1, static_cast<char>(random() % 256))
                                : pieces[random() % pieces.size()];
    }
    const absl::StatusOr<Filter> filter = Filter::Parse(text, "filter");
    if (!filter.ok()) continue;
    filter->Matches(task);
    ++parsed;
  }
  EXPECT_GT(parsed, 0);
}

// Whatever is put together by the grammar is parsed, and means what its parts mean.
class RandomFilter {
 public:
  explicit RandomFilter(uint32_t seed) : random_(seed) {}

  // Appends an expression and returns what it is for ATask().
  bool Expression(int depth, std::string& text) {
    bool all = Factor(depth, text);
    for (int n = Up(2); n > 0; --n) {
      text += Up(1) == 0 ? " AND " : " ";
      all = Factor(depth, text) && all;
    }
    return all;
  }

 private:
  int Up(int most) { return static_cast<int>(random_() % (most + 1)); }

  bool Factor(int depth, std::string& text) {
    bool any = Term(depth, text);
    for (int n = Up(2); n > 0; --n) {
      text += " OR ";
      any = Term(depth, text) || any;
    }
    return any;
  }

  bool Term(int depth, std::string& text) {
    const int negation = Up(3);
    if (negation == 1) text += "NOT ";
    if (negation == 2) text += "-";
    const bool negated = negation == 1 || negation == 2;
    if (depth > 0 && Up(1) == 0) {
      text += "(";
      const bool value = Expression(depth - 1, text);
      text += ")";
      return value != negated;
    }
    const bool value = Up(1) == 0;
    text += value ? "priority = 4" : "priority = 5";
    return value != negated;
  }

  std::mt19937 random_;
};

TEST(Filter, WhatTheGrammarMakesMeansWhatItsPartsMean) {
  for (uint32_t seed = 0; seed < 3'000; ++seed) {
    std::string text;
    const bool expected = RandomFilter(seed).Expression(3, text);
    if (text.size() > 4096) continue;
    EXPECT_EQ(Matches(text), expected) << text;
  }
}

}  // namespace
}  // namespace errand::task
