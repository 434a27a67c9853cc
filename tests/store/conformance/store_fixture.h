#ifndef ERRAND_TESTS_STORE_CONFORMANCE_STORE_FIXTURE_H_
#define ERRAND_TESTS_STORE_CONFORMANCE_STORE_FIXTURE_H_

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "google/rpc/error_details.pb.h"
#include "server/store/store_options.h"
#include "server/store/task_store.h"
#include "server/task/duration.h"
#include "server/task/errors.h"
#include "server/task/name.h"

// The cases that every store must pass: each TEST_P(StoreConformance, ...) of this folder. A store's own test
// instantiates them with a StoreFactory.
namespace errand::store {

// A store whose clock is that of its options, and what a test calls when it has moved the clock.
struct StoreUnderTest {
  // For a store that survives its process: what it is afterwards. Called when there is no `store` any more;
  // holds what that needs.
  std::function<StoreUnderTest()> reopen;
  std::unique_ptr<TaskStore> store;
  std::function<void()> run_alarms;
};
using StoreFactory = std::function<StoreUnderTest(StoreOptions)>;

// A test is named by its store; without this GoogleTest would add the factory's bytes, new ones in every run.
inline void PrintTo(const StoreFactory&, std::ostream* os) { *os << "a store"; }

class StoreConformance : public ::testing::TestWithParam<StoreFactory> {};

// The last segments of the tasks' names.
inline std::vector<std::string> Ids(const std::vector<ClaimedTask>& claimed) {
  std::vector<std::string> ids;
  for (const ClaimedTask& task : claimed) {
    ids.push_back(task.lease.task.substr(task.lease.task.rfind('/') + 1));
  }
  return ids;
}

// What the error's ErrorInfo says; empty where there is none.
inline std::string ReasonOf(const absl::Status& status) {
  google::rpc::ErrorInfo info;
  const google::rpc::Status proto = task::ToProto(status);
  for (const auto& detail : proto.details()) {
    if (detail.UnpackTo(&info)) return info.reason();
  }
  return "";
}

// A submission that owns its task.
struct Wanted {
  std::unique_ptr<v1::Task> task = std::make_unique<v1::Task>();
  std::string request_id;
  bool validate_only = false;
  const Lease* submitter = nullptr;
  std::optional<absl::Duration> ttl;

  Submission submission() const { return {task.get(), request_id, validate_only, submitter, ttl}; }
};

// A store on clocks that the test moves. Its calls wait for their answers.
class StoreFixture : public LeaseHolder {
 public:
  explicit StoreFixture(const StoreFactory& factory, StoreOptions options = {}) {
    options.clock = [this] { return now_; };
    under_test_ = factory(std::move(options));
  }

  TaskStore& store() { return *under_test_.store; }
  absl::Time now() const { return now_.time; }
  const std::vector<Lease>& cancels() const { return cancels_; }

  void Advance(absl::Duration duration) {
    now_ = {now_.instant + duration, now_.time + duration};
    under_test_.run_alarms();
  }

  // Somebody sets the wall clock, forward or back. No time passes by it.
  void SetWallClock(absl::Duration step) {
    now_.time += step;
    under_test_.run_alarms();
  }

  // Boots the machine: its monotonic clock begins anew, and the wall clock has gone on for `off`, or was set.
  void RebootFor(absl::Duration off) {
    ReopenAfter([&] { now_ = {clock::Instant() + absl::Seconds(20), now_.time + off}; });
  }

  bool survives() const { return under_test_.reopen != nullptr; }
  void Reopen() {
    ReopenAfter([] {});
  }
  // The same; `between` happens while there is no store.
  void ReopenAfter(const std::function<void()>& between) {
    under_test_.store = nullptr;
    between();
    StoreUnderTest reopened = under_test_.reopen();
    under_test_ = std::move(reopened);
  }

  static Wanted Lua(const std::string& id, const std::string& queue = "queues/default") {
    return LuaWith(
        id, [](v1::Task&) {}, queue);
  }

  // A submission whose task `change` may alter.
  template <class Change>
  static Wanted LuaWith(const std::string& id, Change change, const std::string& queue = "queues/default") {
    Wanted wanted;
    wanted.task->set_name(task::TaskName(queue, id));
    wanted.task->set_uid("uid-" + id);
    wanted.task->mutable_lua()->set_source("return 1");
    change(*wanted.task);
    return wanted;
  }

  // The same with a ttl.
  Wanted Expiring(const std::string& id, absl::Duration ttl) const {
    Wanted wanted =
        LuaWith(id, [&](v1::Task& task) { *task.mutable_expire_time() = task::ToProto(now() + ttl); });
    wanted.ttl = ttl;
    return wanted;
  }

  // The same with an ordering key.
  static Wanted Keyed(const std::string& id, const std::string& key) {
    return LuaWith(id, [&](v1::Task& task) { task.set_ordering_key(key); });
  }

  // The same that names a registered script.
  static Wanted Scripted(const std::string& id, const std::string& script,
                         const std::string& queue = "queues/default") {
    return LuaWith(
        id, [&](v1::Task& task) { task.mutable_lua()->set_script(script); }, queue);
  }

  // The same with a request id.
  static Wanted Request(const std::string& id, const std::string& request_id,
                        const std::string& queue = "queues/default") {
    Wanted wanted = Lua(id, queue);
    wanted.request_id = request_id;
    return wanted;
  }

  std::vector<absl::StatusOr<v1::Task>> Submit(const std::vector<Wanted>& all, SubmitMode mode) {
    std::vector<Submission> submissions;
    for (const Wanted& wanted : all) submissions.push_back(wanted.submission());
    const auto statuses = Await<std::vector<absl::Status>>(
        [&](auto done) { store().Submit(std::move(submissions), mode, std::move(done)); });
    std::vector<absl::StatusOr<v1::Task>> results;
    for (size_t i = 0; i < statuses.size(); ++i) {
      if (statuses[i].ok()) {
        results.emplace_back(*all[i].task);
      } else {
        results.emplace_back(statuses[i]);
      }
    }
    return results;
  }

  absl::StatusOr<v1::Task> Submit(Wanted wanted) {
    std::vector<Wanted> all;
    all.push_back(std::move(wanted));
    return Submit(all, SubmitMode::kEach).at(0);
  }

  // As the script of an attempt would.
  absl::StatusOr<v1::Task> SubmitAs(const Lease& submitter, Wanted wanted) {
    wanted.submitter = &submitter;
    return Submit(std::move(wanted));
  }

  // What may start now, at most `max` tasks.
  std::vector<ClaimedTask> Claim(int max = 1, absl::Duration lease = absl::Seconds(30),
                                 task::HandlerKind kind = task::HandlerKind::kLua) {
    return ClaimInto({.tasks = max}, lease, kind);
  }
  std::vector<ClaimedTask> ClaimInto(task::Room room, absl::Duration lease = absl::Seconds(30),
                                     task::HandlerKind kind = task::HandlerKind::kLua) {
    return Await<std::vector<ClaimedTask>>([&](auto done) {
      store().StopWaiting(store().Claim({kind, std::move(room), lease, this, "worker-1"}, std::move(done)));
    });
  }

  absl::Status Finish(const Lease& lease, Verdict verdict,
                      absl::Duration retry_delay = absl::ZeroDuration()) {
    std::vector<FinishRequest> requests(1);
    requests[0].lease = lease;
    requests[0].verdict = verdict;
    requests[0].retry_delay = retry_delay;
    if (verdict == Verdict::kFailed || verdict == Verdict::kRetry) {
      requests[0].error.set_code(2);
      requests[0].error.set_message("failed");
    }
    return Await<std::vector<absl::Status>>(
               [&](auto done) { store().Finish(std::move(requests), std::move(done)); })
        .at(0);
  }

  // Gives the next attempt a result of these bytes.
  absl::Status Keep(const Lease& lease, const std::string& data) {
    std::vector<KeepRequest> requests(1);
    requests[0].lease = lease;
    requests[0].result.set_data(data);
    return Await<std::vector<absl::Status>>(
               [&](auto done) { store().Keep(std::move(requests), std::move(done)); })
        .at(0);
  }

  // Claims one task and finishes it; its id.
  std::string RunOne(Verdict verdict = Verdict::kSucceeded) {
    const std::vector<ClaimedTask> claimed = Claim();
    if (claimed.empty()) return "";
    EXPECT_TRUE(Finish(claimed[0].lease, verdict).ok());
    return Ids(claimed)[0];
  }

  absl::StatusOr<v1::Task> Get(const std::string& id, v1::TaskView view = v1::TASK_VIEW_FULL) {
    return Await<std::vector<absl::StatusOr<v1::Task>>>([&](auto done) {
             store().Get({{task::TaskName("queues/default", id), view}}, std::move(done));
           })
        .at(0);
  }

  v1::TaskState State(const std::string& id) {
    const absl::StatusOr<v1::Task> task = Get(id, v1::TASK_VIEW_BASIC);
    return task.ok() ? task->state() : v1::TASK_STATE_UNSPECIFIED;
  }

  absl::StatusOr<v1::Task> Cancel(const std::string& id, const std::string& etag = "") {
    return Await<std::vector<absl::StatusOr<v1::Task>>>([&](auto done) {
             store().Cancel({{task::TaskName("queues/default", id), etag}}, std::move(done));
           })
        .at(0);
  }

  // What the call does by and by is done when it returns.
  absl::StatusOr<CancelledTree> CancelTree(const std::string& id, const std::string& etag = "") {
    return Await<absl::StatusOr<CancelledTree>>([&](auto done) {
      store().CancelTree({task::TaskName("queues/default", id), etag}, std::move(done));
      for (int i = 0; i < 100; ++i) under_test_.run_alarms();
    });
  }

  absl::StatusOr<v1::Task> Retry(const std::string& id, const std::string& etag = "") {
    return Await<std::vector<absl::StatusOr<v1::Task>>>([&](auto done) {
             store().Retry({{task::TaskName("queues/default", id), etag}}, std::move(done));
           })
        .at(0);
  }

  absl::Status Delete(const std::string& id, const std::string& etag = "") {
    return Await<std::vector<absl::Status>>([&](auto done) {
             store().Delete({{task::TaskName("queues/default", id), etag}}, std::move(done));
           })
        .at(0);
  }

  absl::StatusOr<ListPage> List(ListRequest request) {
    return Await<absl::StatusOr<ListPage>>(
        [&](auto done) { store().List(std::move(request), std::move(done)); });
  }

  void Report(const Lease& lease, v1::TaskEvent event) { store().Append({{lease, std::move(event)}}); }
  void Log(const Lease& lease, const std::string& message) {
    v1::TaskEvent event;
    event.mutable_log()->set_message(message);
    Report(lease, std::move(event));
  }
  void Progress(const Lease& lease, double completed) {
    v1::TaskEvent event;
    event.mutable_progress()->set_completed(completed);
    Report(lease, std::move(event));
  }

  // Nothing when the watch would wait.
  std::optional<absl::StatusOr<EventBatch>> Events(const std::string& id, int64_t after = 0, int max = 1000) {
    auto batch = Await<absl::StatusOr<EventBatch>>([&](auto done) {
      store().StopWaiting(store().Watch({task::TaskName("queues/default", id), after, max}, std::move(done)));
    });
    if (absl::IsCancelled(batch.status())) return std::nullopt;
    return batch;
  }

  // The same for a queue.
  std::optional<absl::StatusOr<QueueEventBatch>> QueueEvents(const std::string& queue, int64_t after,
                                                             int max = 1000) {
    auto batch = Await<absl::StatusOr<QueueEventBatch>>([&](auto done) {
      store().StopWaiting(store().WatchQueue({queue, after, max}, std::move(done)));
    });
    if (absl::IsCancelled(batch.status())) return std::nullopt;
    return batch;
  }

  // The states a task has gone through, by their events.
  std::vector<v1::TaskState> States(const std::string& id) {
    std::vector<v1::TaskState> states;
    const EventBatch batch = Events(id).value().value();
    for (const auto& event : batch.events) {
      if (event->has_state()) states.push_back(event->state().state());
    }
    return states;
  }

  absl::StatusOr<v1::Queue> Update(v1::Queue settings, const std::vector<std::string>& paths = {}) {
    google::protobuf::FieldMask mask;
    for (const std::string& path : paths) mask.add_paths(path);
    return Await<absl::StatusOr<v1::Queue>>(
        [&](auto done) { store().UpdateQueue(std::move(settings), std::move(mask), std::move(done)); });
  }
  absl::StatusOr<v1::Queue> SetState(const std::string& queue, v1::QueueState state) {
    return Await<absl::StatusOr<v1::Queue>>(
        [&](auto done) { store().SetQueueState(queue, state, std::move(done)); });
  }
  absl::StatusOr<v1::Queue> GetQueue(const std::string& queue) {
    return Await<absl::StatusOr<v1::Queue>>([&](auto done) { store().GetQueue(queue, std::move(done)); });
  }
  absl::StatusOr<QueuePage> ListQueues(NamePage request) {
    return Await<absl::StatusOr<QueuePage>>(
        [&](auto done) { store().ListQueues(std::move(request), std::move(done)); });
  }
  absl::StatusOr<int64_t> Purge(const std::string& queue) {
    return Await<absl::StatusOr<int64_t>>([&](auto done) {
      store().PurgeQueue(queue, std::move(done));
      under_test_.run_alarms();
    });
  }
  absl::StatusOr<int64_t> DeleteQueue(DeleteQueueRequest request) {
    return Await<absl::StatusOr<int64_t>>([&](auto done) {
      store().DeleteQueue(std::move(request), std::move(done));
      for (int i = 0; i < 10; ++i) under_test_.run_alarms();
    });
  }
  absl::StatusOr<v1::QueueStats> Stats(const std::string& queue) {
    return Await<absl::StatusOr<v1::QueueStats>>(
        [&](auto done) { store().GetQueueStats(queue, std::move(done)); });
  }

  absl::StatusOr<v1::Script> PutScript(const std::string& name, const std::string& source,
                                       const std::string& request_id = "", bool validate_only = false) {
    PutScriptRequest request{name, source, request_id, validate_only};
    return Await<absl::StatusOr<v1::Script>>(
        [&](auto done) { store().PutScript(std::move(request), std::move(done)); });
  }
  absl::StatusOr<v1::Script> GetScript(const std::string& name, int64_t version = 0) {
    return Await<absl::StatusOr<v1::Script>>([&](auto done) {
      store().GetScript({name, version}, std::move(done));
    });
  }
  absl::StatusOr<ScriptPage> ListScripts(NamePage request) {
    return Await<absl::StatusOr<ScriptPage>>(
        [&](auto done) { store().ListScripts(std::move(request), std::move(done)); });
  }
  absl::Status DeleteScript(const std::string& name) {
    return Await<absl::Status>([&](auto done) { store().DeleteScript(name, std::move(done)); });
  }

  // Makes a call and waits for its answer.
  template <class T, class Call>
  static T Await(Call call) {
    struct State {
      std::optional<T> result;
      absl::Notification done;
    };
    auto state = std::make_shared<State>();
    call([state](T result) {
      state->result.emplace(std::move(result));
      state->done.Notify();
    });
    EXPECT_TRUE(state->done.WaitForNotificationWithTimeout(absl::Seconds(30)));
    return *std::move(state->result);
  }

 private:
  void OnCancelRequested(const Lease& lease) override { cancels_.push_back(lease); }

  clock::Moment now_{clock::Instant() + absl::Hours(100), absl::FromUnixSeconds(1'000'000'000)};
  std::vector<Lease> cancels_;
  StoreUnderTest under_test_;
};

}  // namespace errand::store

#endif  // ERRAND_TESTS_STORE_CONFORMANCE_STORE_FIXTURE_H_
