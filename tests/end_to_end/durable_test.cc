// A server with a data folder: what is there after it was killed, and what looks after the folder.
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"
#include "tests/paths/paths.h"

namespace errand {
namespace {

class DurableTest : public ::testing::Test {
 protected:
  DurableTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "errand-data-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    StartAgain();
  }
  ~DurableTest() override {
    server_ = nullptr;
    std::filesystem::remove_all(folder_);
  }

  void StartAgain() {
    server_ = nullptr;
    server_ = std::make_unique<ServerProcess>(std::vector<std::string>{"--data_dir=" + folder_});
  }
  void Kill() {
    server_->Signal(SIGKILL);
    EXPECT_EQ(server_->Wait(), -SIGKILL);
  }

  ServerProcess& server() { return *server_; }
  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
  std::unique_ptr<ServerProcess> server_;
};

TEST_F(DurableTest, TasksQueuesAndScriptsAreThereAfterAKill) {
  const auto ended = RunToEnd(server().tasks(), LuaRequest("log.info('a line') return 'kept'"));
  ASSERT_EQ(ended.end.state(), v1::TASK_STATE_SUCCEEDED);
  v1::Task running;
  ASSERT_TRUE(
      Create(server().tasks(), LuaRequest("task.sleep(task.attempt == 1 and 600 or 0)"), &running).ok());
  EXPECT_EQ(running.durability(), v1::DURABILITY_FSYNC);
  WaitForState(server().tasks(), running.name(), v1::TASK_STATE_RUNNING);
  {
    grpc::ClientContext context;
    v1::PauseQueueRequest request;
    request.set_name("queues/paused");
    v1::PauseQueueResponse response;
    ASSERT_TRUE(server().queues().PauseQueue(&context, request, &response).ok());
  }
  {
    grpc::ClientContext context;
    v1::CreateScriptRequest request;
    request.set_script_id("greet");
    request.mutable_script()->set_source("return 'hello'");
    v1::CreateScriptResponse response;
    ASSERT_TRUE(server().scripts().CreateScript(&context, request, &response).ok());
  }
  v1::CreateTaskRequest by_name = LuaRequest("");
  by_name.set_parent("queues/paused");
  by_name.set_request_id("once");
  by_name.mutable_task()->mutable_lua()->set_script("scripts/greet");
  by_name.mutable_task()->set_durability(v1::DURABILITY_BUFFERED);
  v1::Task waiting;
  ASSERT_TRUE(Create(server().tasks(), by_name, &waiting).ok());
  EXPECT_EQ(waiting.durability(), v1::DURABILITY_BUFFERED);

  Kill();
  StartAgain();

  v1::Task task;
  ASSERT_TRUE(Get(server().tasks(), ended.events[0].task(), &task).ok());
  EXPECT_EQ(task.state(), v1::TASK_STATE_SUCCEEDED);
  EXPECT_EQ(task.result().data(), "kept");
  ASSERT_TRUE(Wait(server().tasks(), running.name(), 60'000, &task).ok());
  EXPECT_EQ(task.state(), v1::TASK_STATE_SUCCEEDED);
  ASSERT_TRUE(Get(server().tasks(), running.name(), &task).ok());
  ASSERT_EQ(task.attempts_size(), 2) << "what ran has run again";
  EXPECT_EQ(ReasonOf(task.attempts(0).error()), "SERVER_ENDED");
  v1::Task again;
  ASSERT_TRUE(Create(server().tasks(), by_name, &again).ok());
  EXPECT_EQ(again.name(), waiting.name()) << "the request id is known";
  EXPECT_EQ(again.state(), v1::TASK_STATE_QUEUED) << "its queue is paused";
  {
    grpc::ClientContext context;
    v1::ResumeQueueRequest request;
    request.set_name("queues/paused");
    v1::ResumeQueueResponse response;
    ASSERT_TRUE(server().queues().ResumeQueue(&context, request, &response).ok());
  }
  ASSERT_TRUE(Wait(server().tasks(), waiting.name(), 60'000, &task).ok());
  EXPECT_EQ(task.state(), v1::TASK_STATE_SUCCEEDED);
  EXPECT_EQ(server().Stop(), 0);
}

// `--flag` of the data folder.
class DataFolderTest : public DurableTest {
 protected:
  Finished Run(const std::string& flag) const {
    return RunProgram({kErranddPath, "--data_dir=" + folder(), flag});
  }
  // That does not run.
  void AddWaiting(const std::string& id) {
    v1::CreateTaskRequest request = LuaRequest("return 'done'");
    request.set_parent("queues/paused");
    request.set_task_id(id);
    v1::Task task;
    ASSERT_TRUE(Create(server().tasks(), request, &task).ok());
  }
  void Pause() {
    grpc::ClientContext context;
    v1::PauseQueueRequest request;
    request.set_name("queues/paused");
    v1::PauseQueueResponse response;
    ASSERT_TRUE(server().queues().PauseQueue(&context, request, &response).ok());
  }
  static bool IsThere(ServerProcess& server, const std::string& id) {
    v1::Task task;
    return Get(server.tasks(), "queues/paused/tasks/" + id, &task).ok();
  }
};

TEST_F(DataFolderTest, AFlippedByteIsRefusedNamedAndRepaired) {
  Pause();
  for (const char* id : {"first", "second", "third"}) AddWaiting(id);
  const Finished in_use = Run("--check_data");
  EXPECT_EQ(in_use.exit_code, 1);
  EXPECT_NE(in_use.errors.find("is in use by another server"), std::string::npos) << in_use.errors;
  EXPECT_EQ(server().Stop(), 0);
  const Finished good = Run("--check_data");
  EXPECT_EQ(good.exit_code, 0) << good.errors;
  EXPECT_NE(good.output.find("tasks: 3 QUEUED\n"), std::string::npos) << good.output;
  EXPECT_NE(good.output.find("nothing is damaged\n"), std::string::npos) << good.output;

  const std::string segment = "0000000000000001.segment";
  {
    std::fstream file(folder() + "/" + segment, std::ios::in | std::ios::out | std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const size_t at = bytes.find("queues/paused/tasks/second");
    ASSERT_NE(at, std::string::npos);
    file.clear();
    file.seekp(static_cast<std::streamoff>(at));
    file.put('Q');
  }
  const Finished refused = RunProgram({kErranddPath, "--listen=127.0.0.1:0", "--data_dir=" + folder()});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.errors.find(segment + " is damaged at byte "), std::string::npos) << refused.errors;
  EXPECT_NE(refused.errors.find("--check_data"), std::string::npos) << refused.errors;

  const Finished checked = Run("--check_data");
  EXPECT_EQ(checked.exit_code, 1);
  EXPECT_NE(checked.output.find(segment + ", byte "), std::string::npos) << checked.output;
  EXPECT_NE(checked.output.find(": lost: a task whose name is not known (number 2)"), std::string::npos)
      << checked.output;
  EXPECT_NE(checked.errors.find("--repair_data"), std::string::npos) << checked.errors;

  const Finished repaired = Run("--repair_data");
  EXPECT_EQ(repaired.exit_code, 0) << repaired.errors;
  EXPECT_TRUE(std::filesystem::exists(folder() + "/" + segment + ".damaged"));
  EXPECT_EQ(Run("--check_data").exit_code, 0);
  StartAgain();
  EXPECT_TRUE(IsThere(server(), "first"));
  EXPECT_FALSE(IsThere(server(), "second"));
  EXPECT_TRUE(IsThere(server(), "third"));
}

TEST_F(DataFolderTest, ASegmentThatIsCutShortOrDeletedAfterACleanStopIsNamedAndNothingIsChanged) {
  Pause();
  for (const char* id : {"first", "second", "third"}) AddWaiting(id);
  EXPECT_EQ(server().Stop(), 0);
  const std::string segment = "0000000000000001.segment";
  const std::string whole = folder() + "-whole";
  std::filesystem::copy(folder(), whole);
  const auto damage = [&](const std::function<void(const std::string& file)>& how) {
    std::filesystem::remove_all(folder());
    std::filesystem::copy(whole, folder());
    how(folder() + "/" + segment);
    const auto list = [&] {
      std::map<std::string, uintmax_t> files;
      for (const auto& entry : std::filesystem::directory_iterator(folder()))
        files[entry.path().filename()] = entry.file_size();
      return files;
    };
    const auto before = list();
    const Finished refused = RunProgram({kErranddPath, "--listen=127.0.0.1:0", "--data_dir=" + folder()});
    EXPECT_EQ(refused.exit_code, 1);
    EXPECT_NE(refused.errors.find(segment), std::string::npos) << refused.errors;
    const Finished checked = Run("--check_data");
    EXPECT_EQ(checked.exit_code, 1);
    EXPECT_NE(checked.output.find(segment + ", byte "), std::string::npos) << checked.output;
    const std::string to = folder() + "-backup";
    const Finished copied = Run("--backup_data=" + to);
    EXPECT_EQ(copied.exit_code, 1);
    EXPECT_NE(copied.errors.find(segment), std::string::npos) << copied.errors;
    std::filesystem::remove_all(to);
    EXPECT_EQ(list(), before);
  };
  damage([](const std::string& file) { std::filesystem::remove(file); });
  damage([](const std::string& file) { std::filesystem::resize_file(file, 0); });
  damage([](const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    std::filesystem::resize_file(file, bytes.find("queues/paused/tasks/second"));
  });
  std::filesystem::remove_all(whole);

  const Finished repaired = Run("--repair_data");
  EXPECT_EQ(repaired.exit_code, 0) << repaired.errors;
  EXPECT_NE(repaired.output.find(segment + ", byte "), std::string::npos) << repaired.output;
  EXPECT_EQ(Run("--check_data").exit_code, 0);
  StartAgain();
  EXPECT_TRUE(IsThere(server(), "first"));
  EXPECT_FALSE(IsThere(server(), "second"));
}

TEST(DataFolderFlags, NeedAFolderAndAreNotMixed) {
  const Finished none = RunProgram({kErranddPath, "--check_data"});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_NE(none.errors.find("--data_dir"), std::string::npos) << none.errors;
  const Finished both = RunProgram({kErranddPath, "--data_dir=none", "--check_data", "--repair_data"});
  EXPECT_EQ(both.exit_code, 2);
  EXPECT_NE(both.errors.find("only one of them"), std::string::npos) << both.errors;
  const Finished missing = RunProgram({kErranddPath, "--data_dir=none", "--check_data"});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_NE(missing.errors.find("No such file"), std::string::npos) << missing.errors;
  EXPECT_FALSE(std::filesystem::exists("none"));
}

TEST_F(DataFolderTest, ABackupOfABusyServerIsAServer) {
  Pause();
  AddWaiting("before");
  std::atomic<bool> over = false;
  absl::Mutex mu;
  int added = 0;  // By the first client.
  std::vector<std::thread> clients;
  for (int client = 0; client < 3; ++client) {
    clients.emplace_back([&, client] {
      for (int i = 0; !over; ++i) {
        AddWaiting(absl::StrCat("c", client, "-", i));
        absl::MutexLock lock(&mu);
        if (client == 0) added = i + 1;
      }
    });
  }
  int acknowledged = 0;
  {
    absl::MutexLock lock(&mu);
    const auto enough = [&] { return added >= 20; };
    EXPECT_TRUE(mu.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(60)));
    acknowledged = added;
  }
  const std::string to = folder() + "-backup";
  const Finished copied = Run("--backup_data=" + to);
  over = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(copied.exit_code, 0) << copied.errors;
  EXPECT_NE(copied.output.find("copied: 1 segment"), std::string::npos) << copied.output;
  const Finished again = Run("--backup_data=" + to);
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_NE(again.errors.find("is not empty"), std::string::npos) << again.errors;
  {
    ServerProcess restored({"--data_dir=" + to});
    EXPECT_TRUE(IsThere(restored, "before"));
    for (int i = 0; i < acknowledged; ++i) EXPECT_TRUE(IsThere(restored, absl::StrCat("c0-", i))) << i;
  }
  std::filesystem::remove_all(to);
}

TEST_F(DurableTest, ASecondServerIsRefused) {
  const Finished second = RunProgram({kErranddPath, "--listen=localhost:0", "--data_dir=" + folder()});
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_NE(second.errors.find("is in use by another server"), std::string::npos) << second.errors;
}

}  // namespace
}  // namespace errand
