#ifndef ERRAND_SERVER_STORE_STORE_OPTIONS_H_
#define ERRAND_SERVER_STORE_STORE_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/clock/moment.h"
#include "server/task/state.h"

namespace errand::store {

// What every store is bounded by. A queue's settings can only make its own bounds tighter.
struct StoreOptions {
  // What all that is kept in memory may take, about. Its parts have shares of it (memory_budget.h): what has
  // not ended is refused where it would be too much, what has ended goes, the oldest first.
  int64_t max_memory_bytes = int64_t{4} << 30;
  // Bounds of each queue, over its tasks that have not ended.
  int64_t max_queue_tasks = 1'000'000;
  int64_t max_queue_bytes = int64_t{1} << 30;
  // Queues at one time that have settings; and as many that have tasks alone, and that are watched alone.
  int64_t max_queues = 10'000;
  // Empty: queues come into being at first use. Otherwise these (`queues/{queue}`) and `queues/default` are
  // all.
  std::vector<std::string> fixed_queues;
  // The kinds of tasks that nobody claims, and why ("it was started with --lua_workers=0"): new ones are
  // refused (NO_HANDLER), and what holds those that are there is HELD_BY_NO_HANDLER.
  std::map<task::HandlerKind, std::string> unclaimed;
  // What `EmailTask.profile` may name, `default` where it names none; others are NOT_FOUND. Empty: anything.
  std::vector<std::string> email_profiles;
  // Ended tasks, of all queues together, are kept until there are more than this, or they ended longer ago.
  int64_t max_ended_tasks = 100'000;
  absl::Duration max_ended_age = absl::Hours(1);
  // Events kept of each task; the oldest go first.
  size_t max_task_events = 1'000;
  int64_t max_task_event_bytes = int64_t{16} << 20;
  // Events kept of each queue that is watched, as far as the memory has room; the oldest go first.
  size_t max_queue_events = 100'000;
  // How far a task that a script makes may be below the one that a client made, at most 100, and how many
  // tasks below one of those may not have ended.
  int32_t max_task_depth = 16;
  int64_t max_task_descendants = 10'000;
  // Scripts at one time, and bytes of them and of those versions that tasks still refer to.
  int64_t max_scripts = 10'000;
  int64_t max_script_bytes = int64_t{256} << 20;
  // A store that keeps tasks on a medium keeps what they were asked to do in memory, too, while they wait, up
  // to so many bytes; what comes then is read back when its time has come.
  int64_t max_body_bytes_in_memory = int64_t{16} << 20;
  // The same store keeps on the medium alone what an ended task's events and result are, where they take so
  // many bytes.
  int64_t min_stored_past_bytes = 1024;
  // How long a request id is remembered.
  absl::Duration request_id_window = absl::Minutes(10);
  // Called once, by any thread, when a store that keeps tasks on a medium can keep nothing any more, with the
  // UNAVAILABLE that every call gets from then on.
  std::function<void(const absl::Status&)> on_failure;
  // Null: the real clocks, and a thread that calls RunAlarms when something is due. Otherwise the test's
  // clocks, of which the monotonic one does not go back; the test calls RunAlarms.
  std::function<clock::Moment()> clock;
};

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_STORE_OPTIONS_H_
