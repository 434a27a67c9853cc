#include <signal.h>

#include "absl/strings/str_cat.h"
#include "tests/client/command_test.h"

// The command on a terminal, under signals, and in front of a pipe that nobody reads.
namespace errand {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class TerminalTest : public CommandTest {
 protected:
  TerminalTest() {
    fake_.run = [](auto&, const v1::RunTaskRequest&, auto& writer) {
      Send(writer, {StateEvent(1, v1::TASK_STATE_RUNNING),
                    ProgressEvent(2, 1, 2, "half\x1b[2J" + std::string(99, '.')),
                    ProgressEvent(3, 2, 2, "all"), ResultEvent(4, "{\"a\":1}")});
      return grpc::Status::OK;
    };
  }

  static CommandOptions OnTerminal(std::vector<std::string> environment = {}) {
    CommandOptions options;
    options.terminal = true;
    options.environment = std::move(environment);
    return options;
  }
};

TEST_F(TerminalTest, ATerminalGetsAProgressBarAndColours) {
  Run({"run", "lua", "/dev/null"}, OnTerminal());
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(out_, "{\"a\":1}");
  EXPECT_THAT(err_, HasSubstr("\r[############------------]  50% half\\x1b[2J.............."));
  EXPECT_THAT(err_, HasSubstr("\r[########################] 100% all\x1b[K"));
  EXPECT_THAT(err_, HasSubstr("\x1b[32msucceeded\x1b[0m"));
  // The bar instead of rows; cut to the width; and gone at the end.
  EXPECT_THAT(err_, Not(HasSubstr("progress")));
  EXPECT_THAT(err_, Not(HasSubstr(std::string(40, '.'))));
  EXPECT_EQ(err_.substr(err_.size() - 4), "\r\x1b[K");
}

// A bar that is wider than the terminal wraps, and leaves a line behind with each update.
TEST_F(TerminalTest, ABarWithWideCharactersStaysOnItsLine) {
  std::string wide;
  for (int i = 0; i < 60; ++i) wide += "\u65e5";
  fake_.run = [&](auto&, const v1::RunTaskRequest&, auto& writer) {
    Send(writer, {StateEvent(1, v1::TASK_STATE_RUNNING), ProgressEvent(2, 2, 2, wide), ResultEvent(3, "1")});
    return grpc::Status::OK;
  };
  Run({"run", "lua", "/dev/null"}, OnTerminal());
  EXPECT_EQ(code_, 0) << err_;
  // Of 60 columns one stays free; the bar and its percentage take 32.
  std::string fits;
  for (int i = 0; i < 13; ++i) fits += "\u65e5";
  EXPECT_THAT(err_, HasSubstr("] 100% " + fits + "\x1b[K"));
  EXPECT_THAT(err_, Not(HasSubstr(fits + "\u65e5")));
}

TEST_F(TerminalTest, NoColorTakesTheColoursAway) {
  Run({"run", "lua", "/dev/null"}, OnTerminal({"NO_COLOR=1"}));
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_THAT(err_, HasSubstr("\r[####"));
  EXPECT_THAT(err_, Not(HasSubstr("\x1b[3")));
  // https://no-color.org: set and not empty.
  Run({"run", "lua", "/dev/null"}, OnTerminal({"NO_COLOR="}));
  EXPECT_THAT(err_, HasSubstr("\x1b[32m"));
}

TEST_F(TerminalTest, ADumbTerminalGetsPlainRows) {
  Run({"run", "lua", "/dev/null"}, OnTerminal({"TERM=dumb"}));
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_THAT(err_, Not(HasSubstr("\x1b")));
  EXPECT_THAT(err_, HasSubstr("progress   1/2 50%"));
}

TEST_F(TerminalTest, WithoutATerminalThereIsNoBarAndNoColour) {
  Run({"run", "lua", "/dev/null"});
  EXPECT_THAT(err_, Not(HasSubstr("\x1b")));
  EXPECT_THAT(err_, Not(HasSubstr("\r")));
  EXPECT_THAT(err_, HasSubstr("progress   2/2 100%  all\n"));
}

TEST_F(TerminalTest, AResultOnATerminalHasNoControlCharacters) {
  fake_.run = [](auto&, const v1::RunTaskRequest&, auto& writer) {
    Send(writer, {ResultEvent(1, "a\x1b[2Jb\nc")});
    return grpc::Status::OK;
  };
  CommandOptions options;
  options.output_terminal = true;
  Run({"run", "lua", "-q", "/dev/null"}, options);
  EXPECT_EQ(out_, "a\\x1b[2Jb\r\nc\r\n");
}

class SignalTest : public TerminalTest, public ::testing::WithParamInterface<int> {};

TEST_P(SignalTest, AnInterruptStopsWatchingWith130AndSaysHowToGoOn) {
  fake_.watch = [](grpc::ServerContext& context, const v1::WatchTaskRequest&, auto& writer) {
    Send(writer, {StateEvent(1, v1::TASK_STATE_QUEUED), LogEvent(2, "on my way")});
    return BlockUntilCancelled(context);
  };
  const std::unique_ptr<Command> command = Start({"watch", "t"});
  command->WaitForText("on my way");
  command->Signal(GetParam());
  EXPECT_EQ(command->Wait(), 130);
  EXPECT_EQ(command->err(),
            absl::StrCat("errand: interrupted\n"
                         "The task goes on without this command.\n"
                         "  watch it:   errand watch queues/default/tasks/t --after=2 --server=",
                         fake_.address(),
                         "\n"
                         "  cancel it:  errand cancel queues/default/tasks/t --server=",
                         fake_.address(), "\n"));
}

INSTANTIATE_TEST_SUITE_P(Signals, SignalTest, ::testing::Values(SIGINT, SIGTERM),
                         [](const auto& info) { return info.param == SIGINT ? "Int" : "Term"; });

TEST_F(TerminalTest, AnInterruptEndsTheWaitForAServerThatIsAway) {
  const std::unique_ptr<Command> command =
      Start({"watch", "t", "--server=127.0.0.1:1", "--retry-for=1h"}, OnTerminal());
  command->WaitForText("errand: 127.0.0.1:1 does not answer, trying again");
  command->Signal(SIGINT);
  EXPECT_EQ(command->Wait(), 130);
}

TEST_F(TerminalTest, ABrokenPipeEndsTheCommandQuietly) {
  fake_.watch = [](grpc::ServerContext& context, const v1::WatchTaskRequest&, auto& writer) {
    Send(writer, {LogEvent(1, "line")});
    return BlockUntilCancelled(context);
  };
  CommandOptions options;
  options.output_closed = true;
  Run({"watch", "t"}, options);
  EXPECT_EQ(code_, 128 + SIGPIPE);
  EXPECT_THAT(err_, IsEmpty());
}

}  // namespace
}  // namespace errand
