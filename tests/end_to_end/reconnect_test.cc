// Watchers that lose their streams all the time, while scripts write events: every event is seen once, in
// order.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"

namespace errand {
namespace {

constexpr int kWatchers = 4;
constexpr int kLines = 200;

// ERRAND_RECONNECTS asks for more.
int Reconnects() {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  int reconnects = 400;
#else
  int reconnects = 2'000;
#endif
  if (const char* asked = std::getenv("ERRAND_RECONNECTS")) (void)absl::SimpleAtoi(asked, &reconnects);
  return reconnects;
}

// The tasks that there are to watch.
class Names {
 public:
  void Add(std::string name) {
    absl::MutexLock lock(&mu_);
    names_.push_back(std::move(name));
  }
  std::vector<std::string> All() {
    absl::MutexLock lock(&mu_);
    return names_;
  }

 private:
  absl::Mutex mu_;
  std::vector<std::string> names_ ABSL_GUARDED_BY(mu_);
};

// Follows every task through streams that it breaks off after a few frames.
class Watcher {
 public:
  Watcher(const ServerProcess& server, uint64_t seed)
      : random_(seed), stub_(v1::Tasks::NewStub(server.NewChannel())) {}

  // Opens one stream for each task that it has not seen the end of; how many it opened.
  int Round(const std::vector<std::string>& names) {
    int opened = 0;
    for (const std::string& name : names) {
      Progress& progress = progress_[name];
      if (progress.ended) continue;
      ++opened;
      ReadSome(name, progress);
    }
    return opened;
  }

  int64_t gaps() const { return gaps_; }
  int64_t duplicates() const { return duplicates_; }
  bool HasSeenTheEndOf(const std::string& name) { return progress_[name].ended; }
  int64_t SeenOf(const std::string& name) { return progress_[name].sequence; }

 private:
  struct Progress {
    int64_t sequence = 0;
    bool ended = false;
  };

  void ReadSome(const std::string& name, Progress& progress) {
    grpc::ClientContext context;
    SetTestDeadline(context);
    v1::WatchTaskRequest request;
    request.set_name(name);
    request.set_after_sequence(progress.sequence);
    auto reader = stub_->WatchTask(&context, request);
    v1::WatchTaskResponse frame;
    for (int frames = std::uniform_int_distribution<int>(1, 4)(random_); frames > 0; --frames) {
      if (!reader->Read(&frame)) break;
      for (const v1::TaskEvent& event : frame.events()) {
        gaps_ += event.sequence() > progress.sequence + 1;
        duplicates_ += event.sequence() <= progress.sequence;
        progress.sequence = event.sequence();
        if (event.has_state() && event.state().state() == v1::TASK_STATE_SUCCEEDED) progress.ended = true;
      }
    }
    context.TryCancel();
    while (reader->Read(&frame)) {
      // On their way when the stream was broken off, and not seen.
    }
    reader->Finish();
  }

  std::mt19937_64 random_;
  const std::unique_ptr<v1::Tasks::Stub> stub_;
  std::map<std::string, Progress> progress_;
  int64_t gaps_ = 0;
  int64_t duplicates_ = 0;
};

TEST(Reconnect, WatchersThatResumeSeeEveryEventOnceUnderLoad) {
  ServerProcess server;
  Names names;
  std::atomic<int> reconnects{0};
  std::atomic<bool> submitting{true};
  const int wanted = Reconnects();

  std::vector<std::unique_ptr<Watcher>> watchers;
  std::vector<std::thread> threads;
  for (int i = 0; i < kWatchers; ++i) watchers.push_back(std::make_unique<Watcher>(server, i));
  for (int i = 0; i < kWatchers; ++i) {
    threads.emplace_back([&, i] {
      for (;;) {
        const bool last_round = !submitting.load();
        const int opened = watchers[static_cast<size_t>(i)]->Round(names.All());
        reconnects += opened;
        if (last_round && opened == 0) return;
      }
    });
  }
  const std::string script = absl::StrCat("for i = 1, ", kLines,
                                          " do task.log('info', tostring(i)) "
                                          "if i % 20 == 0 then task.sleep(0.002) end end");
  while (reconnects.load() < wanted) {
    v1::Task task;
    ASSERT_TRUE(Create(server.tasks(), LuaRequest(script), &task).ok());
    names.Add(task.name());
    ASSERT_TRUE(Wait(server.tasks(), task.name(), 30'000, &task).ok());
  }
  submitting.store(false);
  for (std::thread& thread : threads) thread.join();

  for (const auto& watcher : watchers) {
    EXPECT_EQ(watcher->gaps(), 0);
    EXPECT_EQ(watcher->duplicates(), 0);
    for (const std::string& name : names.All()) {
      EXPECT_TRUE(watcher->HasSeenTheEndOf(name)) << name;
      EXPECT_EQ(watcher->SeenOf(name), kLines + 3) << name << ": QUEUED, RUNNING, the lines, SUCCEEDED";
    }
  }
  RecordProperty("reconnects", reconnects.load());
  EXPECT_GE(reconnects.load(), wanted);
  EXPECT_EQ(server.Stop(), 0);
}

}  // namespace
}  // namespace errand
