#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"
#include "tests/paths/paths.h"

// What the sandbox offers of Lua 5.4 behaves as in the stock program: every script prints what it finds, and
// both outputs are the same to the byte.
namespace errand {
namespace {

namespace fs = std::filesystem;

fs::path LuaFolder() { return fs::path(kSourcePath) / "tests/lua"; }

std::vector<std::string> ScriptNames() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(LuaFolder() / "scripts")) {
    if (entry.path().extension() == ".lua") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class LuaConformance : public ::testing::TestWithParam<std::string> {};

TEST_P(LuaConformance, PrintsWhatTheStockProgramPrints) {
  const fs::path path = LuaFolder() / "scripts" / (GetParam() + ".lua");
  const Finished stock = RunProgram({"lua5.4", LuaFolder() / "stock.lua", path.string()});
  ASSERT_EQ(stock.exit_code, 0) << "lua5.4: " << stock.errors;
  ASSERT_FALSE(stock.output.empty());

  ServerProcess server({"--lua_workers=1"});
  v1::CreateTaskRequest request = LuaRequest(ReadFile(path));
  // Room for a stack that is as deep as Lua allows.
  request.mutable_task()->mutable_limits()->set_memory_bytes(256 << 20);
  const Ran ran = RunToEnd(server.tasks(), request);
  ASSERT_TRUE(ran.status.ok()) << ran.status.error_message();
  EXPECT_EQ(ran.end.state(), v1::TASK_STATE_SUCCEEDED) << ran.end.error().message();
  std::string printed;
  for (const v1::TaskEvent& event : ran.events) printed += event.output().data();
  EXPECT_EQ(printed, stock.output);
}

INSTANTIATE_TEST_SUITE_P(Lua, LuaConformance, ::testing::ValuesIn(ScriptNames()),
                         [](const auto& script) { return script.param; });

}  // namespace
}  // namespace errand
