#include "server/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "server/config/reload.h"

namespace errand::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class ConfigTest : public ::testing::Test {
 protected:
  ~ConfigTest() override {
    for (const std::string& name : set_) unsetenv(name.c_str());
  }

  void Environment(const std::string& name, const std::string& value) {
    setenv(name.c_str(), value.c_str(), 1);
    set_.push_back(name);
  }

  // The flag that names a file with that content.
  std::string File(const std::string& content) {
    std::ofstream(path_) << content;
    return absl::StrCat("--config=", path_);
  }

  std::variant<Config, Exit> ParseFlags(std::vector<std::string> flags) {
    std::vector<const char*> argv = {"errandd"};
    for (const std::string& flag : flags) argv.push_back(flag.c_str());
    return Parse(static_cast<int>(argv.size()), argv.data(), Machine{int64_t{4} << 30, 3, 20'000});
  }

  Config Valid(std::vector<std::string> flags) {
    auto parsed = ParseFlags(std::move(flags));
    if (const auto* exit = std::get_if<Exit>(&parsed)) ADD_FAILURE() << exit->output;
    return std::holds_alternative<Config>(parsed) ? std::get<Config>(parsed) : Config();
  }

  std::string Refused(std::vector<std::string> flags) {
    auto parsed = ParseFlags(std::move(flags));
    const auto* exit = std::get_if<Exit>(&parsed);
    if (exit == nullptr) {
      ADD_FAILURE() << "accepted";
      return "";
    }
    EXPECT_EQ(exit->code, 2);
    return exit->output;
  }

  const std::string path_ =
      ::testing::TempDir() + ::testing::UnitTest::GetInstance()->current_test_info()->name() + ".toml";
  std::vector<std::string> set_;
};

TEST_F(ConfigTest, FlagsCountBeforeTheEnvironmentAndThatBeforeTheFile) {
  const std::string file = File("listen = file:1\nlog_level = debug\nmax_ended_tasks = 7\nqueues = [a, b]");
  Environment("ERRAND_LOG_LEVEL", "warning");
  Environment("ERRAND_LISTEN", "environment:1");
  const Config config = Valid({file, "--listen=flag:1"});
  EXPECT_EQ(config.listen, "flag:1");
  EXPECT_EQ(config.log_level, "warning");
  EXPECT_EQ(config.max_ended_tasks, 7);
  EXPECT_THAT(config.queues, ElementsAre("queues/a", "queues/b"));
}

TEST_F(ConfigTest, TheFileCanBeNamedInTheEnvironment) {
  Environment("ERRAND_CONFIG", File("listen = file:1").substr(sizeof "--config=" - 1));
  EXPECT_EQ(Valid({}).listen, "file:1");
}

TEST_F(ConfigTest, AnUnknownKeyIsRefusedWithItsPlaceAndTheNearestKnownOne) {
  EXPECT_THAT(Refused({File("listen = localhost:1\ndata_dirr = /srv/errand")}),
              HasSubstr("line 2: there is no setting 'data_dirr' (did you mean 'data_dir'?)"));
  EXPECT_THAT(Refused({File("data-dir = /srv/errand")}), HasSubstr("did you mean 'data_dir'?"));
  EXPECT_THAT(Refused({File("frobnicate = 1")}), HasSubstr("there is no setting 'frobnicate'"));
  EXPECT_THAT(Refused({File("config = other")}), HasSubstr("there is no setting 'config'"));
  EXPECT_THAT(Refused({File("help = true")}), HasSubstr("there is no setting 'help'"));
}

TEST_F(ConfigTest, AWrongValueOfTheFileIsRefusedWithItsPlace) {
  EXPECT_THAT(Refused({File("\nmax_ended_tasks = many")}), HasSubstr("line 2: "));
  EXPECT_THAT(Refused({File("listen = [a:1, b:2]")}), HasSubstr("'listen' takes one value"));
  EXPECT_THAT(Refused({File("check_data = maybe")}), HasSubstr("must be true or false"));
  EXPECT_THAT(Refused({"--config=/nowhere/errand.toml"}), HasSubstr("cannot read '/nowhere/errand.toml'"));
  EXPECT_THAT(Refused({absl::StrCat("--config=", ::testing::TempDir())}), HasSubstr("cannot read"));
}

TEST_F(ConfigTest, AnUnknownFlagIsRefusedWithTheNearestKnownOne) {
  EXPECT_THAT(Refused({"--data_dirr=/srv"}),
              HasSubstr("there is no flag --data_dirr (did you mean '--data_dir'?)"));
  EXPECT_THAT(Refused({"--log-level", "info"}), HasSubstr("did you mean '--log_level'?"));
  EXPECT_THAT(Refused({"--log_level=inof"}), HasSubstr("did you mean 'info'?"));
}

TEST_F(ConfigTest, AVariableThatLooksLikeAFlagIsWarnedOf) {
  Environment("ERRAND_DATA_DIRR", "/srv");
  Environment("ERRAND_SERVICE_HOST", "10.0.0.1");  // Kubernetes does that to a pod behind a service `errand`.
  Environment("ERRAND_PORT_50051_TCP", "tcp://10.0.0.1:50051");
  EXPECT_THAT(Valid({}).warnings,
              ElementsAre("the environment's ERRAND_DATA_DIRR is not used; ERRAND_DATA_DIR would be"));
}

TEST_F(ConfigTest, WhatIsPrintedIsReadBack) {
  const auto printed = ParseFlags({"--print_config", "--data_dir=/srv/a#b \"c\"", "--queues=mail,reports",
                                   "--drain_timeout=1m30s", "--smtp_tls=none", "--lua_workers=2"});
  ASSERT_TRUE(std::holds_alternative<Exit>(printed));
  const Exit& exit = std::get<Exit>(printed);
  EXPECT_EQ(exit.code, 0);
  EXPECT_THAT(exit.output, HasSubstr("\nlua_workers = 2\n"));
  EXPECT_THAT(exit.output, HasSubstr("\n# smtp_server = \"\"\n"));
  EXPECT_THAT(exit.output, Not(HasSubstr("check_data")));
  const Config config = Valid({File(exit.output)});
  EXPECT_EQ(config.data_dir, "/srv/a#b \"c\"");
  EXPECT_THAT(config.queues, ElementsAre("queues/mail", "queues/reports"));
  EXPECT_EQ(config.drain_timeout, absl::Seconds(90));
  EXPECT_EQ(config.smtp_tls, SmtpTls::kNone);
  const auto again = ParseFlags({File(exit.output), "--print_config"});
  ASSERT_TRUE(std::holds_alternative<Exit>(again));
  EXPECT_EQ(std::get<Exit>(again).output, exit.output);
}

TEST_F(ConfigTest, AReloadTakesWhatCanChangeAndNamesTheRestEachTime) {
  Config running = Valid({File("log_level = info\nlua_workers = 2\nlisten = a:1")});
  const Config next = Valid({File("log_level = debug\nlua_workers = 3\nlisten = a:1\ndata_dir = /srv")});
  Reloaded reloaded = TakeOver(next, running);
  EXPECT_EQ(running.log_level, "debug");
  EXPECT_EQ(running.lua_workers, 2);
  EXPECT_THAT(reloaded.taken, ElementsAre("log_level: info is now debug"));
  EXPECT_THAT(reloaded.need_restart,
              ElementsAre("data_dir: (not set) would become /srv", "lua_workers: 2 would become 3"));
  reloaded = TakeOver(next, running);
  EXPECT_THAT(reloaded.taken, ElementsAre());
  EXPECT_EQ(reloaded.need_restart.size(), 2u);
}

}  // namespace
}  // namespace errand::config
