// How an operator tells the server what to do, and learns what it does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_log.h"
#include "tests/end_to_end/server_process.h"
#include "tests/paths/paths.h"

namespace errand {
namespace {

using ::testing::HasSubstr;

class ConfigurationTest : public ::testing::Test {
 protected:
  void Write(const std::string& content) { std::ofstream(path_) << content; }

  const std::string path_ =
      ::testing::TempDir() + ::testing::UnitTest::GetInstance()->current_test_info()->name() + ".toml";
  const std::string flag_ = absl::StrCat("--config=", path_);
};

TEST_F(ConfigurationTest, AServerWhoseFileHasAnUnknownKeyDoesNotStart) {
  Write("listen = \"127.0.0.1:0\"\ndata_dirr = \"/srv/errand\"\n");
  const Finished finished = RunProgram({kErranddPath, flag_});
  EXPECT_EQ(finished.exit_code, 2);
  EXPECT_THAT(finished.errors, HasSubstr("data_dirr"));
  EXPECT_THAT(finished.errors, HasSubstr("did you mean 'data_dir'?"));
}

TEST_F(ConfigurationTest, ACheckSaysWhatAStartWouldAndStartsNothing) {
  EXPECT_EQ(RunProgram({kErranddPath, "--check_config"}).exit_code, 0);
  Write("drain_timeout = soon\n");
  const Finished wrong = RunProgram({kErranddPath, flag_, "--check_config"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.errors, HasSubstr("line 1"));
  const Finished no_sandbox = RunProgram({kErranddPath, "--check_config", "--sandbox=/nowhere/sandbox"});
  EXPECT_EQ(no_sandbox.exit_code, 1);
  EXPECT_THAT(no_sandbox.errors, HasSubstr("/nowhere/sandbox"));
  const Finished no_server =
      RunProgram({kErranddPath, "--check_config", "--smtp_server=mail.example.org:http"});
  EXPECT_EQ(no_server.exit_code, 1);
  EXPECT_THAT(no_server.errors, HasSubstr("mail.example.org:http"));
}

TEST_F(ConfigurationTest, APrintedConfigurationStartsTheSameServer) {
  const Finished printed = RunProgram({kErranddPath, "--queues=mail", "--lua_workers=1", "--print_config"});
  EXPECT_EQ(printed.exit_code, 0);
  Write(printed.output);
  ServerProcess server({flag_});
  v1::GetQueueRequest request;
  v1::GetQueueResponse response;
  request.set_name("queues/mail");
  EXPECT_TRUE(Call(server.queues(), &v1::Queues::Stub::GetQueue, request, &response).ok());
  EXPECT_EQ(server.Stop(), 0);
}

TEST_F(ConfigurationTest, HangUpReloadsWhatCanBeAndNeverEndsTheServer) {
  Write("lua_workers = 1\ndrain_timeout = 10s\n");
  ServerLog log;
  ServerProcess server({flag_}, log.writer());

  server.Signal(SIGHUP);
  log.WaitFor("the configuration is the same as before");

  Write("lua_workers = 2\ndrain_timeout = 9s\n");
  server.Signal(SIGHUP);
  log.WaitFor("drain_timeout: 10s is now 9s");
  log.WaitFor("lua_workers: 1 would become 2 with a restart");

  Write("lua_workers = 2\nnonsense\n");
  server.Signal(SIGHUP);
  EXPECT_THAT(log.WaitFor("the configuration stays as it is"), HasSubstr("line 2"));

  EXPECT_TRUE(RunToEnd(server.tasks(), LuaRequest("return 1")).status.ok());
  EXPECT_EQ(server.Stop(), 0);
}

TEST_F(ConfigurationTest, TheLogLevelChangesWithoutARestart) {
  Write("log_level = off\n");
  ServerLog log;
  ServerProcess server({flag_}, log.writer());
  server.Signal(SIGHUP);  // Which is not told.
  Write("log_level = info\n");
  server.Signal(SIGHUP);
  EXPECT_THAT(log.WaitFor(""), HasSubstr("log_level: off is now info"));
  EXPECT_EQ(server.Stop(), 0);
  log.WaitFor("stopped");
}

}  // namespace
}  // namespace errand
