// Drives a store and a simple model with the same random operations in simulated time: the answers must be
// the same, event sequences have no gaps, and order is kept.
#include "tests/store/conformance/model.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <set>

#include "absl/strings/numbers.h"
#include "tests/store/conformance/store_fixture.h"

namespace errand::store {
namespace {

// ERRAND_MODEL_OPERATIONS asks for more, or fewer.
int64_t Operations() {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  int64_t operations = 100'000;
#else
  int64_t operations = 1'000'000;
#endif
  if (const char* asked = std::getenv("ERRAND_MODEL_OPERATIONS")) (void)absl::SimpleAtoi(asked, &operations);
  return operations;
}

constexpr int kMaxLive = 12;
constexpr int kIds = 60;

class Comparison {
 public:
  Comparison(const StoreFactory& factory, uint64_t seed)
      : random_(seed), fixture_(factory, Options()), model_(kMaxLive, fixture_.now()) {}

  void Step() {
    if (fixture_.survives() && Pick(1'000) == 0) {
      fixture_.Reopen();
      model_.Restart();
      Settle();
    }
    switch (Pick(18)) {
      case 0:
      case 1:
      case 2:
        Submit();
        break;
      case 3:
        SubmitBatch();
        break;
      case 4:
      case 5:
      case 6:
        Claim();
        break;
      case 7:
      case 8:
        Finish();
        break;
      case 9:
        Report();
        break;
      case 10:
        Cancel();
        break;
      case 11:
        RetryOrDelete();
        break;
      case 12:
        Advance();
        break;
      case 13:
        ChangeQueue();
        break;
      case 14:
        CompareTask();
        break;
      case 15:
        CompareQueue();
        break;
      case 16:
        ChangeOrCompareScript();
        break;
      case 17:
        CancelTree();
        break;
    }
    Settle();
  }

  // Nothing that the store did stays behind it.
  void ComeToNothing() {
    for (const char* name : {"queues/default", "queues/other"}) {
      v1::Queue settings;
      settings.set_name(name);
      EXPECT_TRUE(fixture_.Update(settings, {"retention", "max_running"}).ok());
      EXPECT_TRUE(fixture_.SetState(name, v1::QUEUE_STATE_RUNNING).ok());
      (void)fixture_.Purge(name);
    }
    for (int i = 0; i < 3; ++i) (void)fixture_.DeleteScript(absl::StrCat("scripts/s", i));
    fixture_.Advance(absl::Hours(1));  // No lease is left.
    for (const char* name : {"queues/default", "queues/other"}) (void)fixture_.Purge(name);
    fixture_.Advance(absl::Hours(1'000'001));
    EXPECT_EQ(fixture_.store().MemoryBytes(), 0) << "what was counted comes back";
  }

 private:
  // What follows from what has happened.
  void Settle() {
    model_.SettleCancels();
    for (const std::string& id : model_.Old()) Forget(id);
  }

  static StoreOptions Options() {
    StoreOptions options;
    options.max_queue_tasks = kMaxLive;
    options.max_task_depth = Model::kMaxDepth;
    options.max_task_descendants = Model::kMaxDescendants;
    options.max_ended_age = absl::Hours(1'000'000);
    return options;
  }

  int Pick(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }
  std::string AnyId() { return absl::StrCat("t", Pick(kIds)); }
  // An id belongs to one queue, so that its name is known.
  static std::string QueueOfId(const std::string& id) {
    return (id.back() - '0') % 2 == 0 ? "queues/default" : "queues/other";
  }
  static std::string NameOf(const std::string& id) { return task::TaskName(QueueOfId(id), id); }

  std::string AnyScript() { return absl::StrCat("scripts/s", Pick(3)); }
  static std::string SourceOf(const std::string& script, int64_t version) {
    return absl::StrCat("return '", script, "', ", version);
  }

  Model::Task NewTask(const std::string& id) {
    Model::Task task;
    task.id = id;
    task.queue = QueueOfId(id);
    if (Pick(3) == 0) {
      task.script = AnyScript();
      task.version = model_.script(task.script).current;
    }
    task.priority = Pick(3);
    if (Pick(3) == 0) task.key = absl::StrCat("k", Pick(2));
    if (Pick(4) == 0) task.due = fixture_.now() + absl::Seconds(1 + Pick(20));
    if (Pick(5) == 0) task.expires = fixture_.now() + absl::Seconds(1 + Pick(30));
    return task;
  }

  static Wanted ToSubmission(const Model::Task& task) {
    return StoreFixture::LuaWith(
        task.id,
        [&](v1::Task& message) {
          if (!task.script.empty()) message.mutable_lua()->set_script(task.script);
          message.set_priority(task.priority);
          message.set_ordering_key(task.key);
          if (task.due != absl::InfinitePast()) *message.mutable_schedule_time() = task::ToProto(task.due);
          if (task.expires != absl::InfiniteFuture()) {
            *message.mutable_expire_time() = task::ToProto(task.expires);
          }
        },
        task.queue);
  }

  void Submit() {
    const Model::Task task = NewTask(AnyId());
    Wanted wanted = ToSubmission(task);
    // Sometimes it is a script that makes it.
    if (!leases_.empty() && Pick(2) == 0)
      wanted.submitter = &leases_[static_cast<size_t>(Pick(static_cast<int>(leases_.size())))];
    const Model::Task* const by = wanted.submitter == nullptr ? nullptr : Holder(*wanted.submitter);
    const std::string why_not = wanted.submitter == nullptr ? ""
                                : by == nullptr             ? "STALE_LEASE"
                                                            : model_.WhyNot(*by, task.queue);
    const auto result = fixture_.Submit(std::move(wanted));
    if (model_.Find(task.id) != nullptr) {
      EXPECT_TRUE(absl::IsAlreadyExists(result.status())) << result.status();
    } else if (!HasItsScript(task)) {
      EXPECT_TRUE(absl::IsNotFound(result.status())) << result.status();
    } else if (!why_not.empty()) {
      EXPECT_EQ(ReasonOf(result.status()), why_not);
    } else if (!model_.HasRoom(task.queue)) {
      EXPECT_TRUE(absl::IsResourceExhausted(result.status())) << result.status();
    } else {
      EXPECT_TRUE(result.ok()) << result.status();
      if (by == nullptr) {
        model_.Submit(task);
      } else {
        EXPECT_EQ(result->parent_task(), NameOf(by->id));
        model_.SubmitBy(*by, task);
      }
    }
  }

  static bool HasItsScript(const Model::Task& task) { return task.script.empty() || task.version != 0; }

  void SubmitBatch() {
    std::vector<Model::Task> tasks;
    std::vector<Wanted> batch;
    std::set<std::string> ids;
    std::map<std::string, int> added;
    bool fits = true;
    for (int i = 1 + Pick(4); i > 0; --i) {
      tasks.push_back(NewTask(AnyId()));
      const Model::Task& task = tasks.back();
      batch.push_back(ToSubmission(task));
      fits = fits && model_.Find(task.id) == nullptr && ids.insert(task.id).second && HasItsScript(task);
      int64_t live = ++added[task.queue];
      for (const auto& [id, other] : model_.tasks()) live += other.queue == task.queue && other.live();
      fits = fits && live <= kMaxLive;
    }
    const auto results = fixture_.Submit(batch, SubmitMode::kAllOrNone);
    ASSERT_EQ(results.size(), tasks.size());
    for (const auto& result : results) EXPECT_TRUE(!fits || result.ok()) << result.status();
    bool refused = false;
    for (const auto& result : results) refused |= !result.ok() && !absl::IsCancelled(result.status());
    EXPECT_EQ(refused, !fits);
    if (!fits) return;
    for (const Model::Task& task : tasks) model_.Submit(task);
  }

  void Claim() {
    const int max = 1 + Pick(4);
    const absl::Duration lease = absl::Seconds(5 + Pick(30));
    const auto claimed = fixture_.Claim(max, lease);
    for (const ClaimedTask& got : claimed) {
      EXPECT_TRUE(tokens_.insert(got.lease.token).second) << "a token is never given out twice";
      Model::Task* next = model_.NextOf(std::string(task::QueueOf(got.lease.task)));
      ASSERT_NE(next, nullptr) << got.lease.task << " may not start";
      EXPECT_EQ(got.lease.task, NameOf(next->id));
      model_.Start(*next, got.lease.token, fixture_.now() + lease);
      EXPECT_EQ(got.attempt, next->attempts);
      ASSERT_EQ(got.script != nullptr, !next->script.empty());
      if (got.script != nullptr) {
        EXPECT_EQ(got.script->version, next->version);
        EXPECT_EQ(got.script->source, SourceOf(next->script, next->version));
      }
      leases_.push_back(got.lease);
    }
    if (static_cast<int>(claimed.size()) == max) return;
    EXPECT_EQ(model_.NextOf("queues/default"), nullptr) << "left waiting";
    EXPECT_EQ(model_.NextOf("queues/other"), nullptr) << "left waiting";
  }

  // The task of a lease, if that is still valid.
  Model::Task* Holder(const Lease& lease) {
    Model::Task* task = model_.Find(lease.task.substr(lease.task.rfind('/') + 1));
    return task != nullptr && task->token == lease.token ? task : nullptr;
  }

  void Finish() {
    if (leases_.empty()) return;
    const size_t at = static_cast<size_t>(Pick(static_cast<int>(leases_.size())));
    const Lease lease = leases_[at];
    leases_.erase(leases_.begin() + static_cast<ptrdiff_t>(at));
    const Verdict verdict =
        std::vector{Verdict::kSucceeded, Verdict::kFailed, Verdict::kRetry,
                    Verdict::kReleased,  Verdict::kPutOff, Verdict::kCancelled}[static_cast<size_t>(Pick(6))];
    const absl::Duration delay = absl::Seconds(1 + Pick(10));
    const absl::Status status = fixture_.Finish(lease, verdict, delay);
    Model::Task* task = Holder(lease);
    EXPECT_EQ(status.ok(), task != nullptr) << status;
    if (task != nullptr) model_.Finish(*task, verdict, fixture_.now() + delay);
    EXPECT_TRUE(absl::IsFailedPrecondition(fixture_.Finish(lease, Verdict::kSucceeded)));
  }

  void Report() {
    if (leases_.empty()) return;
    const Lease& lease = leases_[static_cast<size_t>(Pick(static_cast<int>(leases_.size())))];
    const bool progress = Pick(2) == 0;
    if (progress) {
      fixture_.Progress(lease, Pick(100));
    } else {
      fixture_.Log(lease, "line");
    }
    if (Model::Task* task = Holder(lease)) model_.Report(*task, progress);
  }

  void Cancel() {
    const std::string id = AnyId();
    const auto result = StoreFixture::Await<std::vector<absl::StatusOr<v1::Task>>>([&](auto done) {
      fixture_.store().Cancel({{NameOf(id), ""}}, std::move(done));
    })[0];
    Model::Task* task = model_.Find(id);
    if (task == nullptr) {
      EXPECT_TRUE(absl::IsNotFound(result.status()));
    } else if (task->live() || task->state == v1::TASK_STATE_CANCELLED) {
      EXPECT_TRUE(result.ok()) << result.status();
      model_.Cancel(*task);
      EXPECT_EQ(result->state(), task->state);
    } else {
      EXPECT_TRUE(absl::IsFailedPrecondition(result.status()));
    }
  }

  void CancelTree() {
    const std::string id = AnyId();
    const uint64_t head = model_.FamilyHead(id);
    const auto result = StoreFixture::Await<absl::StatusOr<CancelledTree>>([&](auto done) {
      fixture_.store().CancelTree({NameOf(id), ""}, std::move(done));
    });
    ASSERT_EQ(result.ok(), head != 0) << result.status();
    if (head == 0) return;
    EXPECT_EQ(result->descendants, model_.CancelTree(head));
    const Model::Task* const task = model_.Find(id);
    ASSERT_EQ(result->task.has_value(), task != nullptr);
    if (task == nullptr) return;
    EXPECT_EQ(result->task->state(), task->state);
  }

  void RetryOrDelete() {
    const std::string id = AnyId();
    Model::Task* task = model_.Find(id);
    if (Pick(3) == 0) {
      const auto result = StoreFixture::Await<std::vector<absl::StatusOr<v1::Task>>>([&](auto done) {
        fixture_.store().Retry({{NameOf(id), ""}}, std::move(done));
      })[0];
      if (task == nullptr) {
        EXPECT_TRUE(absl::IsNotFound(result.status()));
      } else if (task->live() || task->state == v1::TASK_STATE_SUCCEEDED) {
        EXPECT_TRUE(absl::IsFailedPrecondition(result.status()));
      } else if (model_.IsBeingCancelled(task->order)) {
        EXPECT_EQ(ReasonOf(result.status()), "BEING_CANCELLED");
      } else if (!model_.HasRoom(task->queue)) {
        EXPECT_TRUE(absl::IsResourceExhausted(result.status()));
      } else {
        EXPECT_TRUE(result.ok()) << result.status();
        model_.Retry(*task);
      }
      return;
    }
    const absl::Status status = StoreFixture::Await<std::vector<absl::Status>>([&](auto done) {
      fixture_.store().Delete({{NameOf(id), ""}}, std::move(done));
    })[0];
    if (task == nullptr) {
      EXPECT_TRUE(absl::IsNotFound(status));
    } else if (task->live()) {
      EXPECT_TRUE(absl::IsFailedPrecondition(status));
    } else {
      EXPECT_TRUE(status.ok()) << status;
      Forget(id);
    }
  }

  void Advance() {
    fixture_.Advance(absl::Seconds(Pick(8)));
    model_.Advance(fixture_.now());
  }

  void ChangeQueue() {
    const std::string name = Pick(2) == 0 ? "queues/default" : "queues/other";
    Model::Queue& queue = model_.queue(name);
    switch (Pick(10)) {
      case 9: {
        // The default queue always exists.
        const auto deleted = fixture_.DeleteQueue({name, "", true});
        if (name == "queues/default") {
          EXPECT_EQ(ReasonOf(deleted.status()), "QUEUE_PERMANENT");
          break;
        }
        EXPECT_TRUE(deleted.ok() || absl::IsNotFound(deleted.status())) << deleted.status();
        const std::vector<std::string> gone = model_.List(name);
        EXPECT_EQ(deleted.value_or(0), static_cast<int64_t>(gone.size()));
        if (deleted.ok()) Purge(name);  // As a mark for what runs elsewhere.
        for (const std::string& id : gone) Forget(id);
        queue = {};
        break;
      }
      case 0: {
        const auto purged = fixture_.Purge(name);
        // A queue that holds nothing may not exist.
        EXPECT_TRUE(purged.ok() || absl::IsNotFound(purged.status())) << purged.status();
        EXPECT_EQ(purged.value_or(0), CountWaiting(name));
        if (purged.ok()) Purge(name);
        break;
      }
      case 1:
      case 2: {
        queue.max_running = Pick(4);
        v1::Queue settings;
        settings.set_name(name);
        settings.set_max_running(queue.max_running);
        EXPECT_TRUE(fixture_.Update(settings, {"max_running"}).ok());
        break;
      }
      case 3: {
        queue = {queue.paused, queue.max_running};
        v1::Queue settings;
        settings.set_name(name);
        if (Pick(2) == 0) {
          queue.max_count = 1 + static_cast<size_t>(Pick(4));
          settings.mutable_retention()->set_max_count(static_cast<int64_t>(queue.max_count));
        }
        if (Pick(2) == 0) {
          queue.max_age = absl::Seconds(10 * Pick(4));
          *settings.mutable_retention()->mutable_max_age() = task::ToProto(queue.max_age);
        }
        EXPECT_TRUE(fixture_.Update(settings, {"retention"}).ok());
        break;
      }
      case 4:
        queue.paused = true;
        EXPECT_TRUE(fixture_.SetState(name, v1::QUEUE_STATE_PAUSED).ok());
        break;
      default:
        queue.paused = false;
        EXPECT_TRUE(fixture_.SetState(name, v1::QUEUE_STATE_RUNNING).ok());
        break;
    }
  }

  int64_t CountWaiting(const std::string& name) {
    int64_t waiting = 0;
    for (const auto& [id, task] : model_.tasks()) waiting += task.queue == name && task.waits();
    return waiting;
  }

  void Purge(const std::string& name) {
    for (auto it = read_.begin(); it != read_.end();) {
      Model::Task* task = model_.Find(it->first);
      it = task != nullptr && task->queue == name && task->waits() ? read_.erase(it) : std::next(it);
    }
    (void)model_.Purge(name);
  }

  void Forget(const std::string& id) {
    read_.erase(id);
    model_.Erase(id);
  }

  // The task as it stands, and its events since this reader's last look.
  void CompareTask() {
    const std::string id = AnyId();
    const auto got = StoreFixture::Await<std::vector<absl::StatusOr<v1::Task>>>([&](auto done) {
      fixture_.store().Get({{NameOf(id), v1::TASK_VIEW_FULL}}, std::move(done));
    })[0];
    Model::Task* task = model_.Find(id);
    EXPECT_EQ(got.ok(), task != nullptr) << got.status();
    if (task == nullptr || !got.ok()) return;
    EXPECT_EQ(got->state(), task->state) << id;
    EXPECT_EQ(got->attempt_count(), task->attempts) << id;
    EXPECT_EQ(got->lua().source(), task->script.empty() ? "return 1" : "");
    EXPECT_EQ(got->lua().script(), task->script);
    EXPECT_EQ(got->lua().script_version(), task->version);
    EXPECT_EQ(got->ordering_key(), task->key);

    const auto batch = StoreFixture::Await<absl::StatusOr<EventBatch>>([&](auto done) {
      fixture_.store().StopWaiting(fixture_.store().Watch({NameOf(id), read_[id], 10'000}, std::move(done)));
    });
    if (absl::IsCancelled(batch.status())) {
      EXPECT_EQ(read_[id], task->events) << id << ": nothing new";
      return;
    }
    if (absl::IsOutOfRange(batch.status())) {
      EXPECT_LT(read_[id] + 1'000, task->events) << id;
      read_[id] = task->events;
      return;
    }
    ASSERT_TRUE(batch.ok()) << batch.status();
    for (const auto& event : batch->events) {
      EXPECT_TRUE(event->sequence() == read_[id] + 1 || read_[id] == 0) << id << ": a gap";
      read_[id] = event->sequence();
    }
    EXPECT_EQ(read_[id], task->events) << id;
    EXPECT_EQ(batch->ended, !task->live()) << id;
    task->ends_in_progress = false;  // What was read stays.
  }

  void ChangeOrCompareScript() {
    const std::string name = AnyScript();
    Model::Script& script = model_.script(name);
    switch (Pick(6)) {
      case 0: {
        const auto put = fixture_.PutScript(name, SourceOf(name, script.latest + 1));
        ASSERT_TRUE(put.ok()) << put.status();
        script.current = ++script.latest;
        EXPECT_EQ(put->version(), script.current);
        break;
      }
      case 1:
        EXPECT_EQ(fixture_.DeleteScript(name).ok(), script.current != 0);
        script.current = 0;
        break;
      default: {
        if (script.latest == 0) break;
        const int64_t version = 1 + Pick(static_cast<int>(script.latest));
        const auto got = fixture_.GetScript(name, version);
        EXPECT_EQ(got.ok(), model_.Keeps(name, version)) << name << " " << version;
        EXPECT_EQ(got.ok() ? got->source() : "", got.ok() ? SourceOf(name, version) : "");
        EXPECT_EQ(fixture_.GetScript(name).ok(), script.current != 0);
        break;
      }
    }
  }

  void CompareQueue() {
    const std::string name = Pick(2) == 0 ? "queues/default" : "queues/other";
    ListRequest request;
    request.queue = name;
    request.max_tasks = 1 + Pick(5);
    std::vector<std::string> ids;
    for (;;) {
      const auto page = fixture_.List(request);
      if (!page.ok()) break;  // There is no such queue now.
      for (const v1::Task& task : page->tasks) ids.push_back(task.name().substr(task.name().rfind('/') + 1));
      if (!page->more) break;
      request.after_order = page->last_order;
    }
    EXPECT_EQ(ids, model_.List(name));
  }

  std::mt19937_64 random_;
  StoreFixture fixture_;
  Model model_;
  std::vector<Lease> leases_;
  std::set<uint64_t> tokens_;
  std::map<std::string, int64_t> read_;
};

TEST_P(StoreConformance, AgreesWithASimpleModelWhateverIsDone) {
  constexpr int64_t kOperationsARun = 50'000;
  // What survives its process is also made again, time after time, and takes five times as long.
  const int64_t operations = StoreFixture(GetParam()).survives() ? Operations() / 5 : Operations();
  const int64_t runs = (operations + kOperationsARun - 1) / kOperationsARun;
  for (int64_t seed = 1; seed <= runs; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Comparison comparison(GetParam(), static_cast<uint64_t>(seed));
    for (int64_t i = 0; i < kOperationsARun; ++i) {
      SCOPED_TRACE(absl::StrCat("operation ", i));
      comparison.Step();
      if (HasFailure()) return;
    }
    comparison.ComeToNothing();
  }
}

}  // namespace
}  // namespace errand::store
