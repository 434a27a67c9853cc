// The errand command against the real server.
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"
#include "tests/paths/paths.h"

namespace errand {
namespace {

using ::testing::HasSubstr;

class Command : public ::testing::Test {
 protected:
  Finished Errand(std::vector<std::string> words) {
    words.insert(words.begin(), {kErrandPath, "--server=" + server_.address()});
    return RunProgram(words);
  }

  std::string Script(const std::string& source) {
    // Other tests of this suite run beside it.
    const std::string path = absl::StrCat(::testing::TempDir(), "errand_command_test_", getpid(), ".lua");
    std::ofstream(path) << source;
    return path;
  }

  ServerProcess server_;
};

TEST_F(Command, RunsAScriptAndPrintsItsResult) {
  const Finished run =
      Errand({"run", "lua", Script("return json.decode(task.payload).n * 2"), "--payload={\"n\":21}"});
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_THAT(run.output, HasSubstr("42"));
}

TEST_F(Command, ExitsWithOneWhenTheTaskFailsAndShowsTheTraceback) {
  const Finished run = Errand({"run", "lua", Script("error('out of stamps')")});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.errors, HasSubstr("out of stamps"));
}

TEST_F(Command, ExitsWithTwoForASyntaxErrorAndNamesTheField) {
  const Finished run = Errand({"run", "lua", Script("return (")});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.errors, HasSubstr("task.lua.source"));
}

TEST_F(Command, SubmitsWaitsLooksUpAndCancels) {
  EXPECT_EQ(Errand({"submit", "lua", Script("return 'done'"), "--id=first"}).exit_code, 0);
  EXPECT_EQ(Errand({"wait", "first", "--timeout=30s"}).exit_code, 0);
  const Finished get = Errand({"get", "first", "-o", "json"});
  EXPECT_EQ(get.exit_code, 0);
  EXPECT_THAT(get.output, HasSubstr("TASK_STATE_SUCCEEDED"));
  EXPECT_EQ(Errand({"watch", "first"}).exit_code, 0);

  EXPECT_EQ(Errand({"submit", "lua", Script("task.sleep(600)"), "--id=second"}).exit_code, 0);
  EXPECT_EQ(Errand({"wait", "second", "--timeout=50ms"}).exit_code, 5);
  EXPECT_EQ(Errand({"cancel", "second"}).exit_code, 0);
  EXPECT_EQ(Errand({"wait", "second", "--timeout=30s"}).exit_code, 1);
}

TEST_F(Command, RegistersScriptsAndRunsThemByName) {
  // A machine under load may give the compiler too little time: the command tries again.
  const Finished created = Errand({"script", "create", "double", Script("return task.payload * 2")});
  EXPECT_EQ(created.exit_code, 0) << created.errors;
  const Finished run = Errand({"run", "lua", "--script=double", "--payload=21"});
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_EQ(run.output, "42");
  EXPECT_THAT(Errand({"script", "list"}).output, HasSubstr("scripts/double"));
  EXPECT_EQ(Errand({"script", "get", "double", "--source"}).output, "return task.payload * 2");
  const Finished invalid = Errand({"script", "validate", Script("\nreturn (")});
  EXPECT_EQ(invalid.exit_code, 1);
  EXPECT_THAT(invalid.output, HasSubstr(".lua:2:9: unexpected symbol"));
  EXPECT_EQ(Errand({"script", "create", "bad", Script("return (")}).exit_code, 2);
  EXPECT_EQ(Errand({"script", "delete", "double"}).exit_code, 0);
  const Finished unknown = Errand({"run", "lua", "--script=double"});
  EXPECT_EQ(unknown.exit_code, 3);
  EXPECT_THAT(unknown.errors, HasSubstr("there is no script 'scripts/double'"));
}

TEST_F(Command, DumpsEveryTaskOfEveryQueueWithItsPayload) {
  std::map<std::string, std::string> payloads;
  for (int i = 0; i < 12; ++i) {
    // More than a page, which the server ends after 2 MiB.
    v1::CreateTaskRequest request = LuaRequest("return 'r' .. #task.payload", std::string(400'000 + i, 'x'));
    request.set_parent(i % 3 == 0 ? "queues/third" : "queues/default");
    v1::Task task;
    ASSERT_TRUE(Create(server_.tasks(), request, &task).ok());
    ASSERT_TRUE(Wait(server_.tasks(), task.name(), 60'000, &task).ok());
    payloads[task.name()] = request.task().lua().text();
  }
  const auto dump = [&](const std::vector<std::string>& words) {
    const Finished run = Errand(words);
    EXPECT_EQ(run.exit_code, 0) << run.errors;
    EXPECT_EQ(run.errors, "");
    std::map<std::string, v1::Task> tasks;
    for (const absl::string_view line : absl::StrSplit(run.output, '\n', absl::SkipEmpty())) {
      v1::Task task;
      EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(std::string(line), &task).ok());
      EXPECT_TRUE(tasks.emplace(task.name(), task).second) << task.name() << " is there twice";
    }
    return tasks;
  };
  const std::map<std::string, v1::Task> all = dump({"admin", "dump"});
  ASSERT_EQ(all.size(), payloads.size());
  for (const auto& [name, task] : all) {
    EXPECT_EQ(task.lua().text(), payloads[name]) << name;
    EXPECT_EQ(task.result().data(), absl::StrCat("r", payloads[name].size())) << name;
    EXPECT_EQ(task.attempts_size(), 1) << name;
  }
  EXPECT_EQ(dump({"admin", "dump", "--queue=third"}).size(), 4u);
}

TEST_F(Command, ADumpWithoutAServerSaysSo) {
  EXPECT_EQ(server_.Stop(), 0);
  const Finished dump = Errand({"admin", "dump", "--retry-for=100ms"});
  EXPECT_EQ(dump.exit_code, 4);
  EXPECT_THAT(dump.errors, HasSubstr("cannot be reached"));
}

TEST_F(Command, ExitsWithThreeForATaskThatDoesNotExist) {
  EXPECT_EQ(Errand({"get", "nowhere"}).exit_code, 3);
}

TEST_F(Command, ExitsWithFourWhenThereIsNoServer) {
  EXPECT_EQ(Errand({"health"}).exit_code, 0);
  EXPECT_EQ(server_.Stop(), 0);
  EXPECT_EQ(Errand({"health", "--timeout=1s"}).exit_code, 4);
}

}  // namespace
}  // namespace errand
