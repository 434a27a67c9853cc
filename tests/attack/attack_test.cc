#include <google/protobuf/util/time_util.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <mutex>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"
#include "tests/paths/paths.h"

// Runs hostile scripts on the real server. Behind each waits a canary: a task that looks at everything a
// script before it could have spoilt, and that is handed to the process which ran that script as soon as it
// is free.
//
// A script returns a text that starts with ESCAPED when it got hold of something that it must not have.
// Success, an error, a limit: whatever else becomes of it is containment. The death of its process is not,
// unless it says so. Its first line tells what it tries; further comments at its start may be marks:
//
//   -- refused               the server does not take it as a task
//   -- crashes Lua           its process may die, for a reason that lies in Lua itself
//   -- run_timeout: 2000 ms  it needs this long instead of 300 ms
namespace errand {
namespace {

namespace fs = std::filesystem;

fs::path AttackFolder() { return fs::path(kSourcePath) / "tests/attack"; }

constexpr int64_t kAttackMillis = 300;
constexpr int64_t kCanaryMillis = 10'000;
// How long after its time limit a script may still be running. Only a script that outlives it takes so long.
constexpr int64_t kGraceMillis = 5'000;
constexpr int64_t kMemoryBytes = 16 << 20;
constexpr int64_t kOutputBytes = 64 << 10;
constexpr size_t kAddressDigits = 6;

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Script {
  Script() = default;
  explicit Script(const fs::path& path);

  std::string source;
  bool refused = false;
  bool may_crash = false;
  int64_t millis = kAttackMillis;
};

Script::Script(const fs::path& path) : source(ReadFile(path)) {
  std::istringstream lines(source);
  for (std::string line; std::getline(lines, line) && absl::StartsWith(line, "--");) {
    if (line == "-- refused") refused = true;
    if (line == "-- crashes Lua") may_crash = true;
    constexpr absl::string_view kTime = "-- run_timeout: ";
    if (absl::StartsWith(line, kTime)) millis = std::atoll(line.c_str() + kTime.size());
  }
}

std::vector<fs::path> ScriptsIn(const fs::path& folder) {
  std::vector<fs::path> scripts;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".lua") scripts.push_back(entry.path());
  }
  std::sort(scripts.begin(), scripts.end());
  EXPECT_FALSE(scripts.empty()) << "no scripts in " << folder;
  return scripts;
}

// "0x" and so many hexadecimal digits that it is an address rather than a small number.
bool HasAddress(const std::string& text) {
  for (size_t at = text.find("0x"); at != std::string::npos; at = text.find("0x", at + 1)) {
    size_t digits = 0;
    while (at + 2 + digits < text.size() &&
           std::isxdigit(static_cast<unsigned char>(text[at + 2 + digits])) != 0)
      ++digits;
    if (digits >= kAddressDigits) return true;
  }
  return false;
}

// Of a text that may be long and is made to confuse.
std::string Excerpt(const std::string& text) { return absl::CHexEscape(text.substr(0, 200)); }

v1::CreateTaskRequest Request(const std::string& source, int64_t millis) {
  v1::CreateTaskRequest request = LuaRequest(source, "canary's payload");
  v1::Task& task = *request.mutable_task();
  *task.mutable_run_timeout() = google::protobuf::util::TimeUtil::MillisecondsToDuration(millis);
  task.mutable_limits()->set_memory_bytes(kMemoryBytes);
  task.mutable_limits()->set_output_bytes(kOutputBytes);
  return request;
}

// What the task has written: print's bytes, and all else that a script can put a text into.
struct Written {
  std::string printed;
  std::string reported;
};

Written ReadEvents(v1::Tasks::Stub& stub, const std::string& name) {
  Written written;
  // A flood leaves only the last events, and the answer says where they begin.
  for (int64_t after = 0;;) {
    grpc::ClientContext context;
    SetTestDeadline(context);
    v1::WatchTaskRequest request;
    request.set_name(name);
    request.set_after_sequence(after);
    const auto reader = stub.WatchTask(&context, request);
    v1::WatchTaskResponse response;
    while (reader->Read(&response)) {
      for (const v1::TaskEvent& event : response.events()) {
        if (event.has_output()) written.printed += event.output().data();
        absl::StrAppend(&written.reported, event.log().message(), "\n", event.progress().message(), "\n");
      }
    }
    const grpc::Status status = reader->Finish();
    if (status.error_code() != grpc::StatusCode::OUT_OF_RANGE || after != 0) {
      EXPECT_TRUE(status.ok()) << name << ": " << status.error_message();
      return written;
    }
    const auto info = DetailOf<google::rpc::ErrorInfo>(status);
    after = info.has_value() ? std::atoll(info->metadata().at("oldest_sequence").c_str()) - 1 : 0;
    if (after <= 0) return written;
  }
}

bool HasEnded(const v1::Task& task) {
  return task.state() == v1::TASK_STATE_SUCCEEDED || task.state() == v1::TASK_STATE_FAILED;
}

class Attack {
 public:
  // Runs all scripts below `folder`, `callers` at a time.
  void Run(const fs::path& folder, int workers, int callers) {
    ServerProcess server({absl::StrCat("--lua_workers=", workers)});
    const std::vector<fs::path> scripts = ScriptsIn(folder);
    std::atomic<size_t> next{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < callers; ++i) {
      threads.emplace_back([&] {
        for (size_t at = next++; at < scripts.size(); at = next++) {
          RunOne(server.tasks(), fs::relative(scripts[at], folder.parent_path()).string(),
                 Script(scripts[at]));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(server.Stop(), 0) << "the server did not end well";
  }

  // Runs sources which take seconds to compile, one beside the other: the server looks at each before it
  // takes it.
  void RunSlowSources(int workers, int callers) {
    ServerProcess server({absl::StrCat("--lua_workers=", workers)});
    std::vector<std::thread> threads;
    for (int i = 0; i < callers; ++i) {
      threads.emplace_back([&, i] {
        // Each use of `m` is looked for among all locals of all functions around it.
        constexpr int kLevels = 50;
        constexpr int kLocals = 150;
        constexpr int kUses = 150'000;
        Script script;
        for (int level = 0; level < kLevels; ++level) {
          absl::StrAppend(&script.source, "local function f", i, "() local l");
          for (int local = 0; local < kLocals; ++local) absl::StrAppend(&script.source, ",l", local);
          script.source += "; ";
        }
        for (int use = 0; use < kUses; ++use) script.source += "m=m;";
        for (int level = 0; level < kLevels; ++level) script.source += " end";
        RunOne(server.tasks(), absl::StrCat("slow source ", i), script);
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(server.Stop(), 0) << "the server did not end well";
  }

  // How many canaries drew a random number that one before them had drawn.
  int repeated_songs() const { return repeated_songs_; }

 private:
  void RunOne(v1::Tasks::Stub& stub, const std::string& name, const Script& script) {
    SCOPED_TRACE(name);
    v1::Task attack;
    v1::Task canary;
    const grpc::Status created = Create(stub, Request(script.source, script.millis), &attack);
    if (!created.ok()) {
      EXPECT_TRUE(script.refused) << created.error_message();
      EXPECT_EQ(created.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << created.error_message();
      EXPECT_FALSE(HasAddress(created.error_message())) << created.error_message();
    }
    // Before the script ends: the process that ran it has no time to recover.
    ASSERT_TRUE(Create(stub, Request(canary_, kCanaryMillis), &canary).ok());
    if (created.ok()) CheckContained(stub, name, script, attack);
    CheckCanary(stub, canary);
  }

  void CheckContained(v1::Tasks::Stub& stub, const std::string& name, const Script& script, v1::Task task) {
    const grpc::Status waited = Wait(stub, task.name(), 50'000, &task);
    ASSERT_TRUE(waited.ok()) << waited.error_message();
    ASSERT_TRUE(HasEnded(task)) << v1::TaskState_Name(task.state());
    ASSERT_TRUE(Get(stub, task.name(), &task).ok());
    const int64_t millis = google::protobuf::util::TimeUtil::DurationToMilliseconds(task.usage().wall_time());
    EXPECT_LE(millis, script.millis + kGraceMillis);
    const std::string& result = task.result().data();
    EXPECT_FALSE(absl::StartsWith(result, "ESCAPED") || absl::StartsWith(result, "\"ESCAPED"))
        << Excerpt(result);
    EXPECT_LE(result.size(), static_cast<size_t>(kOutputBytes));
    const Written written = ReadEvents(stub, task.name());
    EXPECT_LE(written.printed.size(), static_cast<size_t>(kOutputBytes));
    for (const std::string* text : {&result, &task.error().message(), &written.printed, &written.reported}) {
      EXPECT_FALSE(HasAddress(*text)) << "an address: " << Excerpt(*text);
    }
    for (const std::string* text : {&task.error().message(), &written.printed, &written.reported}) {
      EXPECT_FALSE(absl::StrContains(*text, "ESCAPED")) << Excerpt(*text);
    }
    EXPECT_TRUE(script.may_crash || ReasonOf(task.error()) != "SANDBOX_DIED") << task.error().message();
    const bool failed = task.state() == v1::TASK_STATE_FAILED;
    const std::string ending =
        failed ? ReasonOf(task.error()) + ": " + task.error().message() : "returned " + result;
    const std::lock_guard lock(mutex_);
    std::cout << name << " (" << millis << " ms) " << Excerpt(ending.substr(0, ending.find('\n')))
              << std::endl;
  }

  void CheckCanary(v1::Tasks::Stub& stub, v1::Task canary) {
    ASSERT_TRUE(Wait(stub, canary.name(), 50'000, &canary).ok());
    ASSERT_TRUE(HasEnded(canary)) << "the canary is " << v1::TaskState_Name(canary.state());
    const std::string& result = canary.result().data();
    const Written written = ReadEvents(stub, canary.name());
    EXPECT_EQ(Excerpt(written.printed), Excerpt("tweet\n")) << "not the canary's output";
    EXPECT_EQ(written.reported.find_first_not_of('\n'), std::string::npos)
        << "not the canary's: " << Excerpt(written.reported);
    ASSERT_EQ(canary.state(), v1::TASK_STATE_SUCCEEDED) << "the canary failed: " << canary.error().message();
    EXPECT_TRUE(absl::StartsWith(result, "sings ")) << "the canary found: " << result;
    const std::lock_guard lock(mutex_);
    if (!songs_.insert(result).second) ++repeated_songs_;
  }

  const std::string canary_ = ReadFile(AttackFolder() / "canary.lua");
  std::mutex mutex_;
  std::set<std::string> songs_;
  int repeated_songs_ = 0;
};

void RunClass(const std::string& name) {
  constexpr int kWorkers = 2;
  constexpr int kCallers = 4;
  Attack().Run(AttackFolder() / "scripts" / name, kWorkers, kCallers);
}

TEST(Attack, LoopsEndWithTheirTime) { RunClass("loops"); }

TEST(Attack, LongCFunctionsEndWithTheirTime) { RunClass("cloops"); }

TEST(Attack, MemoryStaysWithinItsLimit) { RunClass("memory"); }

TEST(Attack, StacksAreBounded) { RunClass("stack"); }

TEST(Attack, NothingIsCorrupted) { RunClass("corruption"); }

TEST(Attack, NothingEscapes) { RunClass("escapes"); }

TEST(Attack, NothingOutlivesItsDeadline) { RunClass("hookescape"); }

TEST(Attack, HostFunctionsTakeWhateverTheyAreGiven) { RunClass("host"); }

// One process and one caller: the canary surely follows the script.
TEST(Attack, TheNextTaskNoticesNothing) {
  Attack attack;
  attack.Run(AttackFolder() / "scripts" / "tampering", 1, 1);
  EXPECT_EQ(attack.repeated_songs(), 0) << "tasks draw the random numbers of those before them";
}

TEST(Attack, SourcesThatTakeLongToCompileDelayNobody) { Attack().RunSlowSources(2, 4); }

TEST(Attack, ScriptsFromElsewhereAreContained) {
  const char* folder = std::getenv("ERRAND_ATTACKS");
  if (folder == nullptr) GTEST_SKIP() << "ERRAND_ATTACKS names no folder";
  Attack().Run(fs::absolute(folder), 2, 4);
}

}  // namespace
}  // namespace errand
