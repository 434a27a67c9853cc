#include <gmock/gmock.h>
#include <grpc/support/log.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "server/rpc/grpc_log.h"
#include "server/rpc/throttled_log.h"

namespace errand::rpc {
namespace {

using ::testing::HasSubstr;

// The server's log as text.
class LogTest : public ::testing::Test {
 protected:
  LogTest() : before_(spdlog::default_logger()) {
    auto logger = std::make_shared<spdlog::logger>(
        "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_, /*force_flush=*/true));
    logger->set_pattern("%l %v");
    spdlog::set_default_logger(std::move(logger));
  }
  ~LogTest() override { spdlog::set_default_logger(before_); }

  std::string Text() const { return text_.str(); }
  int Lines() const {
    const std::string text = Text();
    return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  }

 private:
  std::ostringstream text_;
  const std::shared_ptr<spdlog::logger> before_;
};

TEST_F(LogTest, ManyLinesBecomeAFewASecondAndACount) {
  ThrottledLog log(2);
  const absl::Time start = absl::Now();
  int written = 0;
  for (; absl::Now() - start < absl::Milliseconds(1100); ++written) log.Warn("again");
  EXPECT_GE(Lines(), 3);
  EXPECT_LE(Lines(), 6);
  EXPECT_THAT(Text(), HasSubstr("warning again\n"));
  EXPECT_THAT(Text(), HasSubstr("lines like it were left out before)")) << "of " << written;
}

TEST_F(LogTest, WhatTheLevelLeavesOutIsNotCounted) {
  ThrottledLog log(1);
  for (int i = 0; i < 100; ++i) log.Write(ThrottledLog::Level::kDebug, "small");
  log.Warn("large");
  EXPECT_EQ(Text(), "warning large\n");
}

TEST_F(LogTest, GrpcsOwnLinesAreInIt) {
  TakeGrpcLog();
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);  // As grpc_init does.
  gpr_log("some/where/tcp_server_posix.cc", 599, GPR_LOG_SEVERITY_ERROR, "Failed getpeername: %s", "gone");
  gpr_set_log_function(nullptr);
  EXPECT_EQ(Text(), "warning gRPC: Failed getpeername: gone (tcp_server_posix.cc:599)\n");
}

}  // namespace
}  // namespace errand::rpc
