#ifndef ERRAND_TESTS_CLIENT_COMMAND_TEST_H_
#define ERRAND_TESTS_CLIENT_COMMAND_TEST_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/client/command.h"
#include "tests/client/fake_server.h"

namespace errand {

// Runs the command against a fake server of its own.
class CommandTest : public ::testing::Test {
 protected:
  // Starts it with ERRAND_SERVER set.
  std::unique_ptr<Command> Start(std::vector<std::string> arguments, CommandOptions options = {}) {
    options.environment.push_back("ERRAND_SERVER=" + fake_.address());
    return std::make_unique<Command>(std::move(arguments), std::move(options));
  }

  // Runs it to its end; fills code_, out_ and err_.
  void Run(std::vector<std::string> arguments, CommandOptions options = {}) {
    const std::unique_ptr<Command> command = Start(std::move(arguments), std::move(options));
    code_ = command->Wait();
    out_ = command->out();
    err_ = command->err();
  }

  // A file of the test's own.
  std::string File(const std::string& name, const std::string& content) {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    const std::string path = ::testing::TempDir() + test->name() + "-" + name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

  FakeServer fake_;
  int code_ = -1;
  std::string out_;
  std::string err_;
};

}  // namespace errand

#endif  // ERRAND_TESTS_CLIENT_COMMAND_TEST_H_
