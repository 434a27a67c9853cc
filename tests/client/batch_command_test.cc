#include <signal.h>

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "tests/client/command_test.h"

// `errand submit --batch`.
namespace errand {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr char kTask[] = "{\"task\": {\"lua\": {\"source\": \"return 1\"}}}\n";

class BatchCommandTest : public CommandTest {
 protected:
  BatchCommandTest() {
    // A request_id gives one task, however often it comes; "refuse" in a script is refused.
    fake_.submit = [this](auto&, auto& stream) {
      v1::SubmitTasksRequest frame;
      while (stream.Read(&frame)) stream.Write(Take(frame));
      return grpc::Status::OK;
    };
  }

  // The lock is what orders the server's threads and what the test then looks at.
  void Run(std::vector<std::string> arguments, CommandOptions options = {}) {
    CommandTest::Run(std::move(arguments), std::move(options));
    absl::MutexLock lock(&mu_);
  }

  v1::SubmitTasksResponse Take(const v1::SubmitTasksRequest& frame) {
    absl::MutexLock lock(&mu_);
    frames_.push_back(frame);
    v1::SubmitTasksResponse response = Acknowledge(frame);
    for (int i = 0; i < frame.requests_size(); ++i) {
      ++received_[frame.requests(i).request_id()];
      if (frame.requests(i).task().lua().source() != "refuse") continue;
      google::rpc::Status& error = *response.mutable_acks(0)->mutable_results(i)->mutable_error();
      error.set_code(grpc::StatusCode::ALREADY_EXISTS);
      error.set_message("the id is taken");
    }
    return response;
  }

  static std::string Repeat(int count, const std::string& line = kTask) {
    std::string text;
    for (int i = 0; i < count; ++i) text += line;
    return text;
  }

  static std::vector<std::string> Lines(const std::string& text) {
    return absl::StrSplit(text, '\n', absl::SkipEmpty());
  }

  static std::string Refused() { return "{\"lua\": {\"source\": \"refuse\"}}\n"; }

  absl::Mutex mu_;
  std::vector<v1::SubmitTasksRequest> frames_;
  std::map<std::string, int> received_;
};

TEST_F(BatchCommandTest, NamesComeInTheOrderOfTheLinesAndFramesHoldAHundred) {
  Run({"submit", "--batch", File("b.jsonl", Repeat(250)), "--request-id=r", "--queue=q"});
  EXPECT_EQ(code_, 0) << err_;
  const std::vector<std::string> names = Lines(out_);
  ASSERT_THAT(names, SizeIs(250));
  for (int i = 0; i < 250; ++i) EXPECT_EQ(names[i], absl::StrCat("queues/default/tasks/r-", i + 1));
  EXPECT_THAT(err_, MatchesRegex("errand: 250 tasks created \\([0-9.]+s, [0-9]+/s\\)\n"));
  ASSERT_THAT(frames_, SizeIs(3));
  EXPECT_THAT(frames_[0].requests(), SizeIs(100));
  EXPECT_THAT(frames_[2].requests(), SizeIs(50));
  EXPECT_EQ(frames_[0].requests(0).parent(), "queues/q");
  EXPECT_EQ(frames_[0].requests(0).task().lua().source(), "return 1");
}

TEST_F(BatchCommandTest, FramesOfLargeTasksStayWellBelowWhatAServerTakes) {
  const std::string large = absl::StrCat("{\"lua\": {\"source\": \"", std::string(400'000, '-'), "\"}}\n");
  Run({"submit", "-q", "--batch", File("b.jsonl", Repeat(7, large))});
  EXPECT_EQ(code_, 0) << err_;
  ASSERT_THAT(frames_, SizeIs(3));
  EXPECT_THAT(frames_[0].requests(), SizeIs(3));
}

TEST_F(BatchCommandTest, ALostConnectionCreatesEveryTaskOnceAndPrintsItOnce) {
  int streams = 0;
  fake_.submit = [&](auto&, auto& stream) {
    ++streams;
    v1::SubmitTasksRequest frame;
    for (int i = 0; stream.Read(&frame); ++i) {
      const v1::SubmitTasksResponse response = Take(frame);
      if (i == 1 && streams < 4) return Unavailable();  // Taken and not acknowledged.
      stream.Write(response);
    }
    return grpc::Status::OK;
  };
  Run({"submit", "--batch", File("b.jsonl", Repeat(1000)), "--request-id=r"});
  EXPECT_EQ(code_, 0) << err_;
  const std::vector<std::string> names = Lines(out_);
  ASSERT_THAT(names, SizeIs(1000));
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(names[i], absl::StrCat("queues/default/tasks/r-", i + 1));
  EXPECT_THAT(received_, SizeIs(1000));
  EXPECT_EQ(streams, 4);
}

TEST_F(BatchCommandTest, AWrongLineNamesLineAndFieldAndNothingBehindItIsSubmitted) {
  const std::string wrong = "{\"task\": {\"lua\": {\"sourc\": \"x\"}}}\n";
  Run({"submit", "--batch", File("b.jsonl", Repeat(3) + "\n" + wrong + Repeat(500)), "--request-id=r"});
  EXPECT_EQ(code_, 2);
  EXPECT_THAT(Lines(out_), ElementsAre(EndsWith("/r-1"), EndsWith("/r-2"), EndsWith("/r-3")));
  EXPECT_THAT(err_, StartsWith("errand: line 5 is not a valid CreateTaskRequest (task.lua.sourc: there is no "
                               "such field)\nerrand: 3 tasks created, 1 line not valid ("));
  EXPECT_THAT(received_, SizeIs(3));
}

TEST_F(BatchCommandTest, EveryKindOfWrongLineIsNamed) {
  const auto expect = [&](const std::string& line, const std::string& message) {
    Run({"submit", "--batch", File("b.jsonl", kTask + line + "\n" + kTask)});
    EXPECT_EQ(code_, 2) << line;
    EXPECT_THAT(err_, StartsWith("errand: line 2 " + message));
    EXPECT_THAT(Lines(out_), SizeIs(1));
  };
  expect("{\"task\": ", "is not a valid JSON object (");
  expect("[]", "is not a valid JSON object (");
  expect("{\"tsk\": {}}", "is not a valid ");
  expect("{\"priority\": \"high\"}", "is not a valid Task (priority: \"high\" is not a whole number");
  expect("{\"lua\": {\"source\": \"\xff\"}}", "is not UTF-8");
  expect(std::string("\x00", 1), "is not a valid JSON object (");
}

TEST_F(BatchCommandTest, KeepGoingPassesOverWrongLines) {
  Run({"submit", "--keep-going", "--batch", File("b.jsonl", kTask + std::string("{\n") + kTask + "]\n"),
       "--request-id=r"});
  EXPECT_EQ(code_, 2);
  EXPECT_THAT(Lines(out_), ElementsAre(EndsWith("/r-1"), EndsWith("/r-3")));
  EXPECT_THAT(err_, HasSubstr("errand: line 2 is not a valid JSON object ("));
  EXPECT_THAT(err_, HasSubstr("errand: line 4 is not a valid JSON object ("));
  EXPECT_THAT(err_, HasSubstr("errand: 2 tasks created, 2 lines not valid ("));
}

TEST_F(BatchCommandTest, ARefusedTaskIsNamedAndGivesExitCode1) {
  Run({"submit", "--batch", File("b.jsonl", kTask + Refused() + kTask), "--request-id=r"});
  EXPECT_EQ(code_, 1);
  EXPECT_THAT(Lines(out_), ElementsAre(EndsWith("/r-1"), EndsWith("/r-3")));
  EXPECT_THAT(err_, StartsWith("errand: line 2: the id is taken\nerrand: 2 tasks created, 1 refused ("));
}

TEST_F(BatchCommandTest, ManyRefusalsDoNotBuryTheSummary) {
  Run({"submit", "--batch", File("b.jsonl", Repeat(300, Refused()))});
  EXPECT_EQ(code_, 1);
  EXPECT_THAT(out_, IsEmpty());
  EXPECT_THAT(Lines(err_), SizeIs(22));
  EXPECT_THAT(err_, HasSubstr("errand: further errors are counted, not printed\n"));
  EXPECT_THAT(err_, HasSubstr("errand: 0 tasks created, 300 refused ("));
}

TEST_F(BatchCommandTest, JsonPrintsAnObjectALineInTheOrderOfTheLines) {
  const std::string batch = File("b.jsonl", kTask + Refused() + "{\n" + kTask);
  for (const char* format : {"json", "jsonl"}) {
    Run({"submit", "-q", "--keep-going", "--batch", batch, "--request-id=r", "-o", format});
    EXPECT_EQ(code_, 2);
    EXPECT_THAT(
        Lines(out_),
        ElementsAre("{\"line\":1,\"name\":\"queues/default/tasks/r-1\"}",
                    "{\"line\":2,\"error\":{\"code\":6,\"message\":\"the id is taken\"}}",
                    StartsWith("{\"line\":3,\"error\":{\"code\":3,\"message\":\"line 3 is not a valid JSON"),
                    "{\"line\":4,\"name\":\"queues/default/tasks/r-4\"}"));
    EXPECT_THAT(err_, IsEmpty());
  }
}

TEST_F(BatchCommandTest, ALinesOwnRequestIdAndParentAreKept) {
  Run({"submit", "--batch",
       File("b.jsonl", R"({"parent": "queues/p", "request_id": "own", "task": {"lua": {}}})")});
  EXPECT_EQ(code_, 0) << err_;
  ASSERT_THAT(frames_, SizeIs(1));
  EXPECT_EQ(frames_[0].requests(0).request_id(), "own");
  EXPECT_EQ(frames_[0].requests(0).parent(), "queues/p");
}

TEST_F(BatchCommandTest, AWriterThatTakesItsTimeHasItsTasksSubmittedMeanwhile) {
  CommandOptions options;
  options.input = kTask;
  options.input_open = true;
  const std::unique_ptr<Command> command = Start({"submit", "--batch", "-", "--request-id=r"}, options);
  command->WaitForText("queues/default/tasks/r-1\n");
  command->Write(kTask);
  command->WaitForText("queues/default/tasks/r-2\n");
  command->CloseInput();
  EXPECT_EQ(command->Wait(), 0) << command->err();
}

TEST_F(BatchCommandTest, AnInterruptEndsTheWaitForInputAndSaysHowToGoOn) {
  CommandOptions options;
  options.input = kTask;
  options.input_open = true;
  const std::unique_ptr<Command> command = Start({"submit", "--batch", "-", "--request-id=r"}, options);
  command->WaitForText("queues/default/tasks/r-1\n");
  command->Signal(SIGINT);
  EXPECT_EQ(command->Wait(), 130);
  EXPECT_THAT(command->err(), HasSubstr("errand: 1 task created ("));
  EXPECT_THAT(command->err(), EndsWith("errand: interrupted\n"
                                       "More tasks than these may have been created. The same command with "
                                       "--request-id=r\ngoes on from there, and creates none twice.\n"));
}

TEST_F(BatchCommandTest, ATimeoutEndsTheWaitForInput) {
  CommandOptions options;
  options.input_open = true;
  Run({"submit", "--batch", "-", "--timeout=100ms"}, options);
  EXPECT_EQ(code_, 5);
}

TEST_F(BatchCommandTest, AServerThatIsAwayGivesExitCode4) {
  Run({"submit", "--batch", File("b.jsonl", kTask), "--server=127.0.0.1:1", "--retry-for=100ms"});
  EXPECT_EQ(code_, 4);
  EXPECT_THAT(out_, IsEmpty());
  EXPECT_THAT(err_, HasSubstr("errand: the server at 127.0.0.1:1 cannot be reached"));
}

TEST_F(BatchCommandTest, AnEmptyBatchIsFine) {
  Run({"submit", "--batch", "/dev/null"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_THAT(out_, IsEmpty());
  EXPECT_THAT(err_, StartsWith("errand: 0 tasks created ("));
  Run({"submit", "--batch", "/"});
  EXPECT_EQ(code_, 2);
  EXPECT_THAT(err_, HasSubstr("errand: cannot read the batch (/: Is a directory)\n"));
}

TEST_F(BatchCommandTest, ATerminalGetsABarWithARateAndNothingElseDoes) {
  CommandOptions options;
  options.terminal = true;
  const std::string batch = File("b.jsonl", Repeat(300));
  Run({"submit", "--batch", batch}, options);
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_THAT(err_, HasSubstr("\r[########################] 100% 300 tasks, "));
  EXPECT_THAT(err_, HasSubstr("/s\x1b[K\r\x1b[Kerrand: 300 tasks created ("));
  EXPECT_THAT(out_, Not(HasSubstr("\x1b")));
  Run({"submit", "-q", "--batch", batch}, options);
  EXPECT_THAT(err_, IsEmpty());
  Run({"submit", "--batch", batch});
  EXPECT_THAT(err_, Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace errand
