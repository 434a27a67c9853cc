// A server whose data folder, or a file in it, is taken away or replaced while it runs.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_log.h"
#include "tests/end_to_end/server_process.h"

namespace errand {
namespace {

namespace fs = std::filesystem;

struct Loss {
  std::string name;
  std::function<void(const fs::path& folder)> take_away;
  std::string said;  // In the log.
};

void Replace(const fs::path& file) {
  const fs::path copy = file.string() + ".copy";
  fs::copy_file(file, copy);
  fs::rename(copy, file);
}

class FolderGoneTest : public ::testing::TestWithParam<Loss> {
 protected:
  FolderGoneTest() {
    std::string pattern = (fs::temp_directory_path() / "errand-gone-XXXXXX").string();
    parent_ = mkdtemp(pattern.data());
    server_ = std::make_unique<ServerProcess>(std::vector<std::string>{"--data_dir=" + folder().string()},
                                              log_.writer());
  }
  ~FolderGoneTest() override {
    server_ = nullptr;
    fs::remove_all(parent_);
  }

  fs::path folder() const { return parent_ / "data"; }
  ServerProcess& server() { return *server_; }
  ServerLog& log() { return log_; }

  // Returns when the server says that it does not serve, without being asked for anything else.
  void AwaitNotServing() {
    using grpc::health::v1::HealthCheckResponse;
    const auto stub = grpc::health::v1::Health::NewStub(server().NewChannel());
    grpc::ClientContext context;
    SetTestDeadline(context);
    const auto reader = stub->Watch(&context, grpc::health::v1::HealthCheckRequest());
    HealthCheckResponse response;
    while (reader->Read(&response)) {
      if (response.status() != HealthCheckResponse::NOT_SERVING) continue;
      context.TryCancel();
      return;
    }
    ADD_FAILURE() << "it still serves";
  }

 private:
  fs::path parent_;
  ServerLog log_;
  std::unique_ptr<ServerProcess> server_;
};

TEST_P(FolderGoneTest, IsTakenForAFailedDisk) {
  v1::Task task;
  ASSERT_TRUE(Create(server().tasks(), LuaRequest("return 1"), &task).ok());
  ASSERT_TRUE(Wait(server().tasks(), task.name(), 60'000, &task).ok());
  GetParam().take_away(folder());
  AwaitNotServing();
  const grpc::Status refused = Create(server().tasks(), LuaRequest("return 2"), &task);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::UNAVAILABLE) << refused.error_message();
  EXPECT_EQ(ReasonOf(refused), "STORE_FAILED");
  EXPECT_NE(log().WaitFor(" critical ").find(GetParam().said), std::string::npos);
}

const std::vector<Loss>& Losses() {
  static const auto& losses = *new std::vector<Loss>{
      {"TheLock", [](const fs::path& folder) { fs::remove(folder / "LOCK"); }, "/data/LOCK' is gone"},
      {"AReplacedLock", [](const fs::path& folder) { Replace(folder / "LOCK"); }, "/data/LOCK' was replaced"},
      {"ASegment", [](const fs::path& folder) { fs::remove(folder / "0000000000000001.segment"); },
       "/data/0000000000000001.segment' is gone"},
      {"AReplacedSegment", [](const fs::path& folder) { Replace(folder / "0000000000000001.segment"); },
       "/data/0000000000000001.segment' was replaced"},
      {"End", [](const fs::path& folder) { fs::remove(folder / "END"); }, "/data/END' is gone"},
      {"TheFolder", [](const fs::path& folder) { fs::rename(folder, folder.string() + ".old"); },
       "/data' is gone"},
      {"AReplacedFolder",
       [](const fs::path& folder) {
         fs::copy(folder, folder.string() + ".new");
         fs::rename(folder, folder.string() + ".old");
         fs::rename(folder.string() + ".new", folder);
       },
       "/data' "},
  };
  return losses;
}

INSTANTIATE_TEST_SUITE_P(OfARunningServer, FolderGoneTest, ::testing::ValuesIn(Losses()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace errand
