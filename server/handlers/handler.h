#ifndef ERRAND_SERVER_HANDLERS_HANDLER_H_
#define ERRAND_SERVER_HANDLERS_HANDLER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "errand/v1/task.pb.h"
#include "server/task/room.h"
#include "server/task/script.h"

namespace errand::handlers {

// Names an attempt between the executor and a handler; unique while the server lives.
using AttemptId = uint64_t;

// What a handler is given to do.
struct Attempt {
  AttemptId id = 0;
  // What proves to the store that the attempt is under way.
  uint64_t lease_token = 0;
  // As the client sent it, valid (task/validate.h) and with every default filled in: `run_timeout` and
  // `limits` are set. Never null. The fields that the server sets hold name and uid only.
  std::shared_ptr<const v1::Task> task;
  // The script that the task names; null where it does not.
  std::shared_ptr<const task::Script> script;
  // 1 for the first.
  int32_t number = 0;
  // Its queue's share of what the handler has, beside that of other queues. At least 1.
  int32_t weight = 1;
  // When the task was acknowledged.
  absl::Time create_time;
  // The result of the attempt before, where it left one: an e-mail handler finds there which recipients
  // have accepted.
  v1::TaskResult previous_result;
};

// How an attempt ended.
struct Outcome {
  // OK when the attempt succeeded; otherwise made with task/errors.h, with one of the reasons that
  // `Task.error` lists.
  absl::Status status;
  // The error would come again: do not retry.
  bool permanent = false;
  // The attempt ended before it began: it counts for nothing, and another one may come after this.
  std::optional<absl::Duration> put_off = std::nullopt;
  // May be set with an error, too.
  v1::TaskResult result;
  v1::Usage usage;
};

// Is told what happens to one attempt. Calls come one at a time, from a thread of the handler; they do not
// block.
class AttemptObserver {
 public:
  virtual ~AttemptObserver() = default;

  // Something to show to those who watch. `event.event` is progress, log or output; the rest is filled in
  // by the callee.
  virtual void OnEvent(v1::TaskEvent event) = 0;

  // Keeps `result` for the attempt after this one, which finds it as its `previous_result` should this one be
  // interrupted. `kept` is called from any thread, maybe at once, when that is as safe as the task; with an
  // error where it is not: the attempt is somebody else's by now, or nothing can be kept any more.
  virtual void Keep(v1::TaskResult /*result*/, absl::AnyInvocable<void(absl::Status)> kept) {
    kept(absl::UnimplementedError("nothing is kept"));
  }

  // The attempt is over. Called exactly once, last; the handler then destroys the observer.
  virtual void OnDone(Outcome outcome) = 0;
};

// An attempt that is to be started, and who is told of it.
struct NewAttempt {
  Attempt attempt;
  std::unique_ptr<AttemptObserver> observer;
};

// Does the work of one kind of task. All methods from any thread; none blocks.
class Handler {
 public:
  // Ends all attempts that still run, as Stop does.
  virtual ~Handler() = default;

  // What more may be started now. An attempt that has ended gives its place back before OnDone is called.
  virtual task::Room GetRoom() = 0;

  // Has `more_room` called whenever there may be more than before for another reason than that an attempt has
  // ended. From a thread of the handler, while the attempt that made room still runs; must not block. Before
  // the first Start.
  virtual void WatchRoom(std::function<void()> more_room) = 0;

  // Starts an attempt, and ends it with RUN_TIMEOUT_EXCEEDED when it takes longer than its `run_timeout`.
  // `observer` may be called before Start returns.
  virtual void Start(Attempt attempt, std::unique_ptr<AttemptObserver> observer) = 0;

  // The same for several, in this order. For a handler that has less to do when it knows them all at once.
  virtual void StartAll(std::vector<NewAttempt> attempts) {
    for (NewAttempt& one : attempts) Start(std::move(one.attempt), std::move(one.observer));
  }

  // Ends an attempt as soon as that can be done safely; OnDone then says CANCELLED, or what had happened
  // before. Nothing happens if the attempt is over already.
  virtual void Stop(AttemptId id) = 0;

  // As Stop, for a server that ends: waits for nobody outside of it.
  virtual void Abandon(AttemptId id) { Stop(id); }
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_HANDLER_H_
