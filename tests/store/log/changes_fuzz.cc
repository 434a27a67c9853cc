// What a journal that is whole, but was written by something that is no store of ours, may bring about: a
// libFuzzer entry that makes changes of its input, writes them as a log, and opens a store on that; which
// changes_fuzz_test.cc calls with random bytes, too. The store must be refused, or do all that stores do.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/store/log/committer.h"
#include "server/store/log/log_journal.h"
#include "server/store/log/log_writer.h"
#include "server/store/log/segment_files.h"
#include "server/store/memory/memory_store.h"
#include "tests/store/conformance/store_fixture.h"
#include "tests/store/dump.h"
#include "tests/store/log/fake_disk.h"
#include "tests/store/log/made_changes.h"

namespace errand::store {
namespace {

constexpr uint64_t kSegmentBytes = 8 << 10;

void Write(const std::vector<MadeChange>& changes, log::FakeDisk& disk) {
  auto files = *log::SegmentFiles::Open(&disk, {.segment_bytes = kSegmentBytes});
  if (!files->Start(log::Place()).ok()) std::abort();
  log::Committer committer(files.get(), log::Place());
  log::LogWriter writer(&committer, 1, kSegmentBytes);
  for (const MadeChange& made : changes) {
    writer.Add(log::kChange, made.change, made.body);
    if (made.ends_group) writer.EndGroup();
  }
  writer.EndGroup();
}

void Check(bool holds, int line = __builtin_LINE()) {
  if (holds) return;
  std::fprintf(stderr, "changes_fuzz.cc:%d does not hold\n", line);
  std::abort();
}

// Every task and event, in every way to ask for them.
void LookAtAll(StoreFixture& fixture) {
  const auto tasks = ListAll(fixture);
  Check(tasks.ok());
  for (const v1::Task& task : *tasks) {
    const auto got = StoreFixture::Await<std::vector<absl::StatusOr<v1::Task>>>([&](auto done) {
      fixture.store().Get({{task.name(), v1::TASK_VIEW_FULL}}, std::move(done));
    });
    // A body that is nothing of ours may say that the task is called something else.
    if (!got.at(0).ok()) continue;
    const auto events = EventsOf(fixture, task.name(), 0);
    if (!events.has_value()) continue;
    if (absl::IsDataLoss(events->status())) continue;  // What is stored of it does not fit.
    Check(events->ok());
    int64_t sequence = (*events)->events.empty() ? 0 : (*events)->events.front()->sequence();
    for (const auto& event : (*events)->events) {
      Check(event->sequence() == sequence++);
      const auto later = EventsOf(fixture, task.name(), event->sequence());
      Check(!later.has_value() || later->ok());
    }
    const auto beyond = EventsOf(fixture, task.name(), sequence);
    Check(beyond.has_value() && absl::IsOutOfRange(beyond->status()));
  }
  const auto queues = fixture.ListQueues({"", 1000});
  Check(queues.ok());
  for (const v1::Queue& queue : queues->queues) {
    Check(fixture.Stats(queue.name()).ok());
    Check(fixture.QueueEvents(queue.name(), 0)->ok());
  }
}

template <class Call>
void EachTask(StoreFixture& fixture, Call call) {
  const auto tasks = ListAll(fixture);
  Check(tasks.ok());
  for (size_t i = 0; i < tasks->size(); ++i) call(i, ChangeRequest{(*tasks)[i].name(), ""});
}

void Work(StoreFixture& fixture) {
  using Tasks = std::vector<absl::StatusOr<v1::Task>>;
  TaskStore& store = fixture.store();
  fixture.Advance(absl::ZeroDuration());
  constexpr std::array<Verdict, 6> kVerdicts = {Verdict::kSucceeded, Verdict::kFailed,    Verdict::kRetry,
                                                Verdict::kReleased,  Verdict::kCancelled, Verdict::kRetry};
  for (int round = 0; round < 2; ++round) {
    for (const auto kind : {task::HandlerKind::kLua, task::HandlerKind::kEmail}) {
      const auto claimed = fixture.Claim(8, absl::Seconds(30), kind);
      for (size_t i = 0; i < claimed.size(); ++i) {
        fixture.Progress(claimed[i].lease, 1);
        fixture.Progress(claimed[i].lease, 2);
        fixture.Log(claimed[i].lease, "line");
        // The last ones' leases expire.
        if (i < kVerdicts.size())
          Check(fixture.Finish(claimed[i].lease, kVerdicts[i], absl::Seconds(1)).ok());
      }
    }
    LookAtAll(fixture);
    EachTask(fixture, [&](size_t i, const ChangeRequest& request) {
      if (i % 4 == 0)
        StoreFixture::Await<Tasks>([&](auto done) { store.Cancel({request}, std::move(done)); });
      if (i % 4 == 1) StoreFixture::Await<Tasks>([&](auto done) { store.Retry({request}, std::move(done)); });
      if (i % 4 == 2) {
        StoreFixture::Await<std::vector<absl::Status>>(
            [&](auto done) { store.Delete({request}, std::move(done)); });
      }
    });
    fixture.Advance(absl::Seconds(40));
  }
  const std::string id = "new";
  Check(fixture.PutScript("scripts/s", "return 2").ok());
  const auto submitted =
      fixture.Submit(StoreFixture::LuaWith(id, [](v1::Task& task) { task.set_ordering_key("key"); }));
  Check(submitted.ok());
  fixture.Advance(absl::Minutes(20));
}

// So much that what was there is said again.
void Push(StoreFixture& fixture, log::FakeDisk& disk) {
  const std::vector<std::string> before = *disk.List();
  const auto first = std::find_if(before.begin(), before.end(),
                                  [](const std::string& name) { return log::SegmentNumber(name) != 0; });
  const std::string last_of_them = *std::find_if(
      before.rbegin(), before.rend(), [](const std::string& name) { return log::SegmentNumber(name) != 0; });
  Check(first != before.end());
  for (int i = 0; i < 40; ++i) {
    const std::vector<std::string> now = *disk.List();
    if (std::find(now.begin(), now.end(), last_of_them) == now.end()) return;
    const std::string id = absl::StrCat("push-", i);
    Check(fixture
              .Submit(StoreFixture::LuaWith(
                  id, [](v1::Task& task) { task.mutable_lua()->set_source(std::string(2000, ' ')); }))
              .ok());
    Check(fixture.Cancel(id).ok());
    const absl::Status deleted = fixture.Delete(id);
    Check(deleted.ok() || absl::IsNotFound(deleted));  // A queue may keep none that has ended.
    fixture.Advance(absl::ZeroDuration());
  }
}

void OpenStoreOf(absl::string_view bytes) {
  auto disk = std::make_shared<log::FakeDisk>();
  Write(MakeChanges(bytes), *disk);
  absl::Status status;
  std::function<StoreUnderTest(const StoreOptions&)> open = [&](const StoreOptions& options) {
    StoreUnderTest opened;
    auto journal = log::LogJournal::Open(disk.get(), {.segment_bytes = kSegmentBytes});
    Check(journal.ok());
    auto store = MemoryStore::Open(options, *std::move(journal));
    status = store.status();
    if (!store.ok()) return opened;
    MemoryStore* const memory_store = store->get();
    opened.store = *std::move(store);
    opened.run_alarms = [memory_store] { memory_store->RunAlarms(); };
    opened.reopen = [&open, options] { return open(options); };
    return opened;
  };
  StoreOptions options;
  options.max_body_bytes_in_memory = 500;
  options.min_stored_past_bytes = 200;
  StoreFixture fixture(open, options);
  if (!status.ok()) {
    Check(absl::IsDataLoss(status) || absl::IsFailedPrecondition(status));
    return;
  }
  LookAtAll(fixture);
  Work(fixture);
  fixture.Reopen();
  Check(status.ok());
  Push(fixture, *disk);
  LookAtAll(fixture);
  const auto before = ListAll(fixture);
  fixture.Reopen();
  Check(status.ok());
  LookAtAll(fixture);
  const auto after = ListAll(fixture);
  Check(before.ok() && after.ok() && before->size() == after->size());
  for (size_t i = 0; i < before->size(); ++i) {
    Check((*before)[i].SerializeAsString() == (*after)[i].SerializeAsString());
  }
  fixture.Advance(absl::Hours(24 * 400));
  LookAtAll(fixture);
}

}  // namespace
}  // namespace errand::store

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  errand::store::OpenStoreOf({reinterpret_cast<const char*>(data), size});
  return 0;
}
