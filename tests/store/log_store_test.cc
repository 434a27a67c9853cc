// The store that keeps a log: the same cases as for every store, what survives its process and the machine's
// power, and what it says of a disk that fails.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "server/task/limits.h"
#include "tests/store/log_store_factory.h"

namespace errand::store {
namespace {

using ::testing::HasSubstr;

INSTANTIATE_TEST_SUITE_P(Log, StoreConformance, ::testing::Values(MakeLogStore),
                         [](const auto&) { return "LogStore"; });
INSTANTIATE_TEST_SUITE_P(SmallLog, StoreConformance, ::testing::Values(MakeSmallLogStore),
                         [](const auto&) { return "LogStore"; });

// Each task's id and state, of those in `queues/default`.
std::set<std::string> States(StoreFixture& fixture) {
  ListRequest request;
  request.queue = "queues/default";
  std::set<std::string> states;
  const absl::StatusOr<ListPage> page = fixture.List(request);
  EXPECT_TRUE(page.ok()) << page.status();
  if (!page.ok()) return states;
  for (const v1::Task& task : page->tasks) {
    states.insert(absl::StrCat(task.uid(), " ", v1::TaskState_Name(task.state())));
  }
  return states;
}

TEST(LogStore, EventsGoOnWhereTheyStood) {
  StoreFixture fixture(MakeLogStore);
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  const Lease lease = fixture.Claim().at(0).lease;
  fixture.Log(lease, "line");
  fixture.Progress(lease, 1);
  fixture.Progress(lease, 2);  // In place of the first, which nobody has read.
  const EventBatch before = fixture.Events("a").value().value();
  const int64_t last = before.events.back()->sequence();
  EXPECT_EQ(last, 4);

  fixture.Reopen();
  const auto events = fixture.Events("a", last).value().value().events;
  ASSERT_EQ(events.size(), 1);
  EXPECT_EQ(events[0]->sequence(), last + 1);
  EXPECT_EQ(events[0]->state().state(), v1::TASK_STATE_QUEUED) << "the attempt did not survive";
  EXPECT_EQ(fixture.Get("a")->progress().completed(), 2);
  EXPECT_TRUE(absl::IsFailedPrecondition(fixture.Finish(lease, Verdict::kSucceeded)));
  EXPECT_EQ(fixture.Claim().at(0).attempt, 2);
}

TEST(LogStore, ARequestIdThatIsUsedAgainAfterItsWindowStandsForTheLaterTask) {
  StoreFixture fixture(MakeLogStore);
  const absl::Duration window = StoreOptions().request_id_window;
  ASSERT_TRUE(fixture.Submit(StoreFixture::Request("a", "r")).ok());
  fixture.Advance(window + absl::Seconds(1));
  ASSERT_EQ(fixture.Submit(StoreFixture::Request("b", "r"))->uid(), "uid-b");
  fixture.Reopen();
  EXPECT_EQ(fixture.Submit(StoreFixture::Request("c", "r"))->uid(), "uid-b");
}

TEST(LogStore, TheLargestResultThereMayBeIsKept) {
  StoreFixture fixture(MakeLogStore);
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("b")).ok());
  std::vector<FinishRequest> requests(1);
  requests[0].lease = fixture.Claim().at(0).lease;
  requests[0].result.set_data(std::string(task::kMaxOutputBytes, 'x'));
  const auto finished = StoreFixture::Await<std::vector<absl::Status>>(
      [&](auto done) { fixture.store().Finish(std::move(requests), std::move(done)); });
  ASSERT_TRUE(finished.at(0).ok()) << finished.at(0);
  ASSERT_EQ(fixture.RunOne(), "b") << "the log goes on behind it";
  fixture.Reopen();
  EXPECT_EQ(fixture.Get("a")->result().data().size(), size_t{task::kMaxOutputBytes});
  EXPECT_EQ(fixture.State("b"), v1::TASK_STATE_SUCCEEDED);
}

// A store whose log is looked at.
class SmallLog {
 public:
  static constexpr uint64_t kSegmentBytes = 8 << 10;

  explicit SmallLog(StoreOptions options = {}) : fixture_(Factory(), WithBodiesOnDisk(std::move(options))) {}

  StoreFixture& fixture() { return fixture_; }
  log::FakeDisk& disk() { return *disk_; }

  int64_t segments() const {
    const std::vector<std::string> names = *disk_->List();
    return std::count_if(names.begin(), names.end(),
                         [](const std::string& name) { return log::SegmentNumber(name) != 0; });
  }

  // So much work that all that was there before is in parts that have been dropped since.
  void PushOut() {
    const std::vector<std::string> before = *disk_->List();
    const auto some_left = [&] {
      const std::vector<std::string> names = *disk_->List();
      return std::any_of(before.begin(), before.end(), [&](const std::string& name) {
        return log::SegmentNumber(name) != 0 && std::count(names.begin(), names.end(), name) > 0;
      });
    };
    for (int i = 0; some_left(); ++i) {
      ASSERT_LT(i, 10'000);
      const std::string id = absl::StrCat("push-", pushed_++);
      ASSERT_TRUE(fixture_.Submit(StoreFixture::Lua(id)).ok());
      ASSERT_TRUE(fixture_.Cancel(id).ok());
      ASSERT_TRUE(fixture_.Delete(id).ok());
      fixture_.Advance(absl::ZeroDuration());
    }
  }

 private:
  StoreFactory Factory() {
    return [disk = disk_](const StoreOptions& options) {
      return OpenLogStore(disk, options, {.segment_bytes = kSegmentBytes});
    };
  }
  static StoreOptions WithBodiesOnDisk(StoreOptions options) {
    options.max_body_bytes_in_memory = 0;
    options.min_stored_past_bytes = 0;
    return options;
  }

  std::shared_ptr<log::FakeDisk> disk_ = std::make_shared<log::FakeDisk>();
  StoreFixture fixture_;
  int pushed_ = 0;
};

TEST(Compaction, WhatStillCountsIsThereWhenAllOfItsPartsAreGone) {
  SmallLog log;
  StoreFixture& fixture = log.fixture();
  ASSERT_TRUE(fixture.PutScript("scripts/s", "return 1").ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Scripted("scripted", "scripts/s")).ok());
  ASSERT_TRUE(fixture.PutScript("scripts/s", "return 2", "request").ok());
  ASSERT_TRUE(fixture.PutScript("scripts/gone", "return 3").ok());
  ASSERT_TRUE(fixture.DeleteScript("scripts/gone").ok());
  ASSERT_TRUE(fixture.SetState("queues/q", v1::QUEUE_STATE_PAUSED).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("paused", "queues/q")).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Request("requested", "r")).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Keyed("keyed", "k")).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Keyed("behind", "k")).ok());
  ASSERT_TRUE(fixture
                  .Submit(StoreFixture::LuaWith("delayed",
                                                [&](v1::Task& task) {
                                                  *task.mutable_schedule_time() =
                                                      task::ToProto(fixture.now() + absl::Hours(5));
                                                }))
                  .ok());
  ASSERT_EQ(fixture.RunOne(), "scripted");
  const v1::Task scripted = *fixture.Get("scripted");
  const auto claimed = fixture.Claim();
  ASSERT_EQ(Ids(claimed), std::vector<std::string>{"requested"});
  fixture.Log(claimed[0].lease, "a line");
  const EventBatch before = fixture.Events("requested").value().value();

  log.PushOut();
  fixture.Reopen();
  EXPECT_EQ(fixture.Get("scripted")->SerializeAsString(), scripted.SerializeAsString());
  EXPECT_EQ(fixture.GetScript("scripts/s", 1)->source(), "return 1") << "the task refers to it";
  EXPECT_EQ(fixture.GetScript("scripts/s")->source(), "return 2");
  EXPECT_EQ(fixture.PutScript("scripts/s", "return 4", "request")->version(), 2);
  EXPECT_EQ(fixture.PutScript("scripts/gone", "return 5")->version(), 2) << "no version is used twice";
  EXPECT_EQ(fixture.GetQueue("queues/q")->state(), v1::QUEUE_STATE_PAUSED);
  EXPECT_EQ(*fixture.Purge("queues/q"), 1);
  EXPECT_EQ(fixture.Submit(StoreFixture::Request("other", "r"))->uid(), "uid-requested");
  EXPECT_EQ(fixture.State("delayed"), v1::TASK_STATE_SCHEDULED);

  EventBatch after = fixture.Events("requested").value().value();
  ASSERT_EQ(after.events.size(), before.events.size() + 1) << "and that it is queued again";
  for (size_t i = 0; i < before.events.size(); ++i) {
    EXPECT_EQ(after.events[i]->SerializeAsString(), before.events[i]->SerializeAsString());
  }
  const auto again = fixture.Claim(10);
  EXPECT_EQ(Ids(again), (std::vector<std::string>{"requested", "keyed"}));
  EXPECT_EQ(again.at(0).attempt, 2);
  EXPECT_EQ(again.at(0).task->lua().source(), "return 1");
  ASSERT_TRUE(fixture.Finish(again.at(1).lease, Verdict::kSucceeded).ok());
  EXPECT_EQ(fixture.RunOne(), "behind");
  fixture.Advance(absl::Hours(5));
  EXPECT_EQ(fixture.RunOne(), "delayed");
}

// Runs the next task with a line of that many bytes and a result of as many.
void RunLargely(StoreFixture& fixture, size_t bytes, Verdict verdict) {
  std::vector<FinishRequest> requests(1);
  requests[0].lease = fixture.Claim().at(0).lease;
  requests[0].verdict = verdict;
  requests[0].result.set_data(std::string(bytes, 'r'));
  fixture.Log(requests[0].lease, std::string(bytes, 'l'));
  const auto finished = StoreFixture::Await<std::vector<absl::Status>>(
      [&](auto done) { fixture.store().Finish(std::move(requests), std::move(done)); });
  ASSERT_TRUE(finished.at(0).ok()) << finished.at(0);
}

std::string Text(const absl::StatusOr<EventBatch>& batch) {
  if (!batch.ok()) return batch.status().ToString();
  std::string text = batch->ended ? "ended\n" : "";
  for (const auto& event : batch->events) absl::StrAppend(&text, event->ShortDebugString(), "\n");
  return text;
}

TEST(StoredPast, WhatAnEndedTaskSaidAndReturnedIsOnTheDiskAlone) {
  constexpr size_t kBytes = 300'000;
  constexpr int kTasks = 10;
  StoreFixture fixture(MakeLogStore);
  for (int i = 0; i < kTasks; ++i) {
    ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(absl::StrCat("t", i))).ok());
    RunLargely(fixture, kBytes, Verdict::kSucceeded);
  }
  EXPECT_LT(fixture.store().MemoryBytes(), int64_t{kBytes});
  const v1::Task task = *fixture.Get("t5");
  EXPECT_EQ(task.result().data().size(), kBytes);
  EXPECT_FALSE(fixture.Get("t5", v1::TASK_VIEW_BASIC)->has_result());
  const EventBatch events = *fixture.Events("t5").value();
  ASSERT_EQ(events.events.size(), 4u) << "queued, running, the line, succeeded";
  EXPECT_TRUE(events.ended);
  EXPECT_EQ(events.events[2]->log().message().size(), kBytes);
  EXPECT_EQ(events.events[3]->state().result().SerializeAsString(), task.result().SerializeAsString());
  const EventBatch some = *fixture.Events("t5", 1, 2).value();
  EXPECT_FALSE(some.ended);
  ASSERT_EQ(some.events.size(), 2u);
  EXPECT_EQ(some.events[0]->sequence(), 2);
  EXPECT_TRUE(fixture.Events("t5", 4).value()->ended) << "and nothing more";
  EXPECT_TRUE(absl::IsOutOfRange(fixture.Events("t5", 5).value().status()));

  fixture.Reopen();
  EXPECT_LT(fixture.store().MemoryBytes(), int64_t{kBytes});
  EXPECT_EQ(fixture.Get("t5")->SerializeAsString(), task.SerializeAsString());
  EXPECT_EQ(Text(fixture.Events("t5").value()), Text(events));
}

TEST(StoredPast, ATaskThatIsRetriedGoesOnBehindIt) {
  SmallLog log;
  StoreFixture& fixture = log.fixture();
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  RunLargely(fixture, 500, Verdict::kFailed);
  const EventBatch first = *fixture.Events("a").value();
  ASSERT_TRUE(fixture.Retry("a").ok());
  const std::string retried = Text(fixture.Events("a").value());
  EXPECT_EQ(retried.find(Text(EventBatch{first.events, false})), 0u) << "all is there, and more";
  // Of a server that ended meanwhile as well.
  fixture.Reopen();
  EXPECT_EQ(Text(fixture.Events("a").value()), retried);
  const auto claimed = fixture.Claim();
  ASSERT_EQ(claimed.size(), 1u);
  EXPECT_EQ(claimed[0].attempt, 2);
  EXPECT_EQ(claimed[0].previous_result.data().size(), 500u);
  ASSERT_TRUE(fixture.Finish(claimed[0].lease, Verdict::kSucceeded).ok());
  const std::string ended = Text(fixture.Events("a").value());
  EXPECT_THAT(ended, HasSubstr("ended"));
  fixture.Reopen();
  EXPECT_EQ(Text(fixture.Events("a").value()), ended);
}

TEST(StoredPast, IsCarriedOnByItsTask) {
  SmallLog log;
  StoreFixture& fixture = log.fixture();
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  RunLargely(fixture, 500, Verdict::kFailed);
  const std::string task = fixture.Get("a")->SerializeAsString();
  const std::string events = Text(fixture.Events("a").value());
  for (int round = 0; round < 2; ++round) {
    log.PushOut();
    EXPECT_EQ(fixture.Get("a")->SerializeAsString(), task);
    EXPECT_EQ(Text(fixture.Events("a").value()), events);
    fixture.Reopen();
    EXPECT_EQ(fixture.Get("a")->SerializeAsString(), task);
    EXPECT_EQ(Text(fixture.Events("a").value()), events);
  }
  // Said again while it waits, too.
  ASSERT_TRUE(fixture.Retry("a").ok());
  const std::string retried = Text(fixture.Events("a").value());
  log.PushOut();
  fixture.Reopen();
  EXPECT_EQ(Text(fixture.Events("a").value()), retried);
}

TEST(Compaction, ATaskIsCarriedOnWhereNothingElseCounts) {
  SmallLog log;
  ASSERT_TRUE(log.fixture().Submit(StoreFixture::Keyed("alone", "k")).ok());
  log.PushOut();
  log.fixture().Reopen();
  EXPECT_EQ(log.fixture().State("alone"), v1::TASK_STATE_QUEUED);
}

TEST(Compaction, ARequestIdIsCarriedOnWhereNothingElseCounts) {
  SmallLog log;
  StoreFixture& fixture = log.fixture();
  ASSERT_TRUE(fixture.Submit(StoreFixture::Request("gone", "r")).ok());
  ASSERT_TRUE(fixture.Cancel("gone").ok());
  ASSERT_TRUE(fixture.Delete("gone").ok());
  log.PushOut();
  fixture.Reopen();
  EXPECT_TRUE(absl::IsAlreadyExists(fixture.Submit(StoreFixture::Request("other", "r")).status()));
}

TEST(Compaction, AScriptIsCarriedOnWhereNothingElseCounts) {
  SmallLog log;
  ASSERT_TRUE(log.fixture().PutScript("scripts/s", "return 1").ok());
  log.PushOut();
  log.fixture().Reopen();
  EXPECT_EQ(log.fixture().GetScript("scripts/s")->source(), "return 1");
}

TEST(Compaction, APartOfWhichNothingCountsIsNotRead) {
  SmallLog log;
  StoreFixture& fixture = log.fixture();
  for (int i = 0; log.segments() < 3; ++i) {
    const std::string id = absl::StrCat("t", i);
    ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(id)).ok());
    ASSERT_TRUE(fixture.Cancel(id).ok());
    ASSERT_TRUE(fixture.Delete(id).ok());
  }
  const std::string first = log::SegmentName(1);
  log.disk().SetContents(first, std::string(log.disk().Contents(first).size(), 'x'));
  log.PushOut();
  EXPECT_TRUE(fixture.Submit(StoreFixture::Lua("later")).ok());
}

TEST(Compaction, OneDelayedTaskDoesNotPinWhatIsAroundIt) {
  SmallLog log;
  StoreFixture& fixture = log.fixture();
  ASSERT_TRUE(fixture
                  .Submit(StoreFixture::LuaWith("delayed",
                                                [&](v1::Task& task) {
                                                  *task.mutable_schedule_time() =
                                                      task::ToProto(fixture.now() + absl::Hours(5));
                                                }))
                  .ok());
  for (int round = 0; round < 5; ++round) {
    log.PushOut();
    EXPECT_LE(log.segments(), 8);
  }
  EXPECT_EQ(fixture.State("delayed"), v1::TASK_STATE_SCHEDULED);
}

// One that reports for ever takes no more of the disk than what is kept of its reports.
TEST(Compaction, ReportsThatAreNotKeptAreNotCarriedOn) {
  constexpr int kReports = 3000;
  constexpr size_t kKept = 10;
  StoreOptions options;
  options.max_task_events = kKept;
  SmallLog log(std::move(options));
  StoreFixture& fixture = log.fixture();
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("talks")).ok());
  const auto claimed = fixture.Claim(1);
  ASSERT_EQ(claimed.size(), 1);
  const auto segments = [&] {
    EXPECT_TRUE(fixture.Get("talks").ok());  // Reports are not waited for; an answer comes behind them.
    fixture.Advance(absl::ZeroDuration());
    return log.segments();
  };
  for (int i = 0; i < kReports; ++i) {
    // Nobody reads it: each progress takes the place of the one before.
    fixture.Progress(claimed[0].lease, i);
    ASSERT_LE(segments(), 8) << "progress " << i;
  }
  for (int i = 0; i < kReports; ++i) {
    fixture.Log(claimed[0].lease, absl::StrCat("line ", i));
    ASSERT_LE(segments(), 8) << "line " << i;
  }
  ASSERT_TRUE(fixture.Finish(claimed[0].lease, Verdict::kSucceeded).ok());
  fixture.Reopen();
  const auto events = fixture.Events("talks");
  ASSERT_TRUE(events.has_value() && events->ok());
  // The end comes on top of what is reported.
  ASSERT_EQ((*events)->events.size(), kKept + 1);
  EXPECT_EQ((*events)->events.front()->log().message(), absl::StrCat("line ", kReports - int{kKept}));
}

TEST(Compaction, APartThatIsMissingWithoutHavingBeenDroppedIsRefused) {
  SmallLog log;
  for (int i = 0; log.segments() < 3; ++i) {
    ASSERT_TRUE(log.fixture().Submit(StoreFixture::Lua(absl::StrCat("t", i))).ok());
  }
  std::map<std::string, std::string> files;
  log.fixture().ReopenAfter([&] {
    const std::vector<std::string> names = *log.disk().List();
    for (const std::string& name : names) files[name] = log.disk().Contents(name);
  });
  for (const uint64_t missing : {1, 2}) {
    log::FakeDisk disk;
    for (const auto& [name, contents] : files) {
      const bool is_it = name == log::SegmentName(missing) || name == log::IndexName(missing);
      if (!is_it) disk.SetContents(name, contents);
    }
    auto journal = log::LogJournal::Open(&disk, {.segment_bytes = SmallLog::kSegmentBytes});
    ASSERT_TRUE(journal.ok());
    const auto store = MemoryStore::Open({}, *std::move(journal));
    EXPECT_TRUE(absl::IsDataLoss(store.status())) << missing << ": " << store.status();
    EXPECT_THAT(std::string(store.status().message()), HasSubstr("missing"));
  }
}

TEST(LogStore, ATaskThatEndsTheServerTimeAndAgainFails) {
  StoreFixture fixture(MakeLogStore);
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(fixture.Claim().size(), 1) << i;
    fixture.Reopen();
  }
  EXPECT_EQ(fixture.State("a"), v1::TASK_STATE_FAILED);
}

TEST(LogStore, ADiskThatFailsEndsAllWorkAndLosesNothingThatWasAnswered) {
  auto disk = std::make_shared<log::FakeDisk>();
  StoreOptions options;
  absl::Mutex mu;
  absl::Status failure;
  options.on_failure = [&](const absl::Status& why) {
    absl::MutexLock lock(&mu);
    failure = why;
  };
  StoreFixture fixture([disk](const StoreOptions& with) { return OpenLogStore(disk, with); }, options);
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  disk->FailAfter(0, absl::UnavailableError("1.segment: Input/output error"));

  const absl::Status refused = fixture.Submit(StoreFixture::Lua("b")).status();
  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("Input/output error"));
  EXPECT_EQ(fixture.Get("a").status(), refused) << "what is in memory may not be what is on the disk";
  {
    absl::MutexLock lock(&mu);
    EXPECT_EQ(failure, refused);
  }

  std::mt19937_64 random(1);
  fixture.ReopenAfter([&] { disk->LosePower(random); });
  EXPECT_TRUE(States(fixture).contains("uid-a TASK_STATE_QUEUED"));
}

// ERRAND_POWER_LOSSES: how many; by hand, thousands.
TEST(LogStore, WhatWasAnsweredSurvivesALossOfPower) {
  int losses = 50;
  if (const char* asked = std::getenv("ERRAND_POWER_LOSSES")) (void)absl::SimpleAtoi(asked, &losses);
  std::mt19937_64 random(3);
  for (int round = 0; round < losses; ++round) {
    SCOPED_TRACE(absl::StrCat("round ", round));
    auto disk = std::make_shared<log::FakeDisk>();
    // Every second time so small that it is compacted.
    const uint64_t segment_bytes = round % 2 == 0 ? 64 << 10 : 8 << 10;
    StoreFixture fixture([disk, segment_bytes](const StoreOptions& with) {
      return OpenLogStore(disk, with, {.segment_bytes = segment_bytes});
    });
    disk->FailAfter(static_cast<int>(random() % 120), absl::UnavailableError("no power"));
    std::set<std::string> answered;
    std::string unknown;  // What was done last, and not answered.
    for (int i = 0; i < 60 && unknown.empty(); ++i) {
      const std::string id = absl::StrCat("t", i);
      if (!fixture.Submit(StoreFixture::Lua(id)).ok()) {
        unknown = id;
      } else if (answered.insert(absl::StrCat("uid-", id, " TASK_STATE_QUEUED")); random() % 2 == 0) {
        const auto claimed = fixture.Claim();
        if (claimed.empty()) break;
        const std::string first = Ids(claimed)[0];
        if (fixture.Finish(claimed[0].lease, Verdict::kSucceeded).ok()) {
          answered.erase(absl::StrCat("uid-", first, " TASK_STATE_QUEUED"));
          answered.insert(absl::StrCat("uid-", first, " TASK_STATE_SUCCEEDED"));
        } else {
          unknown = first;
        }
      }
    }
    fixture.ReopenAfter([&] { disk->LosePower(random); });
    std::set<std::string> found = States(fixture);
    if (!unknown.empty()) {
      const auto of_it = [&](const std::string& text) { return text.starts_with("uid-" + unknown + " "); };
      std::erase_if(found, of_it);
      std::erase_if(answered, of_it);
    }
    EXPECT_EQ(found, answered);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace errand::store
