#ifndef ERRAND_TESTS_STORE_STORE_FIXTURE_H_
#define ERRAND_TESTS_STORE_STORE_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/store/memory/memory_store.h"
#include "server/task/name.h"

namespace errand::store {

// A memory store on a clock that the test moves; every answer of it comes before the call returns.
class StoreFixture : public LeaseHolder {
 public:
  explicit StoreFixture(MemoryStoreOptions options = {}) {
    options.clock = [this] { return now_; };
    store_ = std::make_unique<MemoryStore>(std::move(options));
  }

  MemoryStore& store() { return *store_; }
  absl::Time now() const { return now_; }
  const std::vector<Lease>& cancels() const { return cancels_; }

  void Advance(absl::Duration duration) {
    now_ += duration;
    store_->RunAlarms();
  }

  static Submission Lua(const std::string& id, const std::string& queue = "queues/default") {
    auto task = std::make_shared<v1::Task>();
    task->set_name(task::TaskName(queue, id));
    task->set_uid("uid-" + id);
    task->mutable_lua()->set_source("return 1");
    return {task, ""};
  }

  // A submission whose task `change` may alter.
  template <class Change>
  static Submission LuaWith(const std::string& id, Change change,
                            const std::string& queue = "queues/default") {
    Submission submission = Lua(id, queue);
    v1::Task task = *submission.task;
    change(task);
    submission.task = std::make_shared<v1::Task>(std::move(task));
    return submission;
  }

  absl::StatusOr<v1::Task> Submit(Submission submission) {
    std::optional<absl::StatusOr<v1::Task>> result;
    std::vector<Submission> submissions;
    submissions.push_back(std::move(submission));
    store_->Submit(std::move(submissions), [&](auto results) { result = std::move(results.at(0)); });
    return *result;
  }

  // What is waiting now, at most `max` tasks.
  std::vector<ClaimedTask> Claim(int max = 1, absl::Duration lease = absl::Seconds(30),
                                 task::HandlerKind kind = task::HandlerKind::kLua) {
    std::vector<ClaimedTask> claimed;
    const WaitId id =
        store_->Claim({kind, max, lease, this}, [&](auto tasks) { claimed = std::move(tasks); });
    store_->StopWaiting(id);
    return claimed;
  }

  absl::Status Finish(const Lease& lease, Verdict verdict,
                      absl::Duration retry_delay = absl::ZeroDuration()) {
    std::vector<FinishRequest> requests(1);
    requests[0].lease = lease;
    requests[0].verdict = verdict;
    requests[0].retry_delay = retry_delay;
    absl::Status status;
    store_->Finish(std::move(requests), [&](auto results) { status = results.at(0); });
    return status;
  }

  absl::StatusOr<v1::Task> Get(const std::string& id, v1::TaskView view = v1::TASK_VIEW_FULL) {
    std::optional<absl::StatusOr<v1::Task>> result;
    store_->Get({{task::TaskName("queues/default", id), view}},
                [&](auto results) { result = results.at(0); });
    return *result;
  }

  absl::StatusOr<v1::Task> Cancel(const std::string& id, const std::string& etag = "") {
    std::optional<absl::StatusOr<v1::Task>> result;
    store_->Cancel({{task::TaskName("queues/default", id), etag}},
                   [&](auto results) { result = results.at(0); });
    return *result;
  }

  // Nothing when the watch would wait.
  std::optional<absl::StatusOr<EventBatch>> Events(const std::string& id, int64_t after = 0, int max = 1000) {
    std::optional<absl::StatusOr<EventBatch>> result;
    const WaitId wait = store_->Watch({task::TaskName("queues/default", id), after, max},
                                      [&](auto batch) { result = std::move(batch); });
    if (!result.has_value()) {
      store_->StopWaiting(wait);
      result.reset();
    }
    return result;
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

 private:
  void OnCancelRequested(const Lease& lease) override { cancels_.push_back(lease); }

  absl::Time now_ = absl::FromUnixSeconds(1'000'000'000);
  std::vector<Lease> cancels_;
  std::unique_ptr<MemoryStore> store_;
};

}  // namespace errand::store

#endif  // ERRAND_TESTS_STORE_STORE_FIXTURE_H_
