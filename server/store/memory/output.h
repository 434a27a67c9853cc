#ifndef ERRAND_SERVER_STORE_MEMORY_OUTPUT_H_
#define ERRAND_SERVER_STORE_MEMORY_OUTPUT_H_

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "errand/v1/task.pb.h"
#include "google/rpc/status.pb.h"

// What becomes of a task, as plain numbers: as messages of the API it would be twenty pieces of memory, of
// which a server that keeps many ended tasks frees as many for each that it takes in.
namespace errand::store {

// A time that most records do not have: eight bytes.
class OptionalTime {
 public:
  OptionalTime& operator=(absl::Time time) {
    nanos_ = time == absl::InfiniteFuture() ? kNone : absl::ToUnixNanos(time);
    return *this;
  }
  // Infinite where there is none.
  absl::Time get() const { return nanos_ == kNone ? absl::InfiniteFuture() : absl::FromUnixNanos(nanos_); }
  bool has_value() const { return nanos_ != kNone; }

 private:
  static constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
  int64_t nanos_ = kNone;
};

// v1.Usage, or none.
class KeptUsage {
 public:
  KeptUsage() = default;
  explicit KeptUsage(const v1::Usage& usage);

  bool has_value() const { return wall_nanos_ != kNoUsage; }
  // Of a usage that there is.
  void AddTo(v1::Usage& usage) const;

 private:
  // In place of a time: the usage does not say it, or there is no usage.
  static constexpr int64_t kNoTime = std::numeric_limits<int64_t>::max();
  static constexpr int64_t kNoUsage = std::numeric_limits<int64_t>::min();

  int64_t wall_nanos_ = kNoUsage;
  int64_t cpu_nanos_ = kNoTime;
  int64_t peak_memory_bytes_ = 0;
  int64_t output_bytes_ = 0;
};

// v1.Attempt.
struct KeptAttempt {
  void AddTo(v1::Attempt& attempt) const;

  int32_t number = 0;
  OptionalTime start;
  OptionalTime end;
  const std::string* worker = nullptr;               // See Queue::workers.
  std::shared_ptr<const google::rpc::Status> error;  // Null: none.
  KeptUsage usage;
};

// The output-only fields of v1.Task that change after its creation, but state and etag.
struct Output {
  // `FULL` has the result and the attempts as well.
  void AddTo(v1::TaskView view, v1::Task& task) const;

  int32_t attempt_count = 0;
  OptionalTime end;
  KeptUsage usage;
  std::shared_ptr<const google::rpc::Status> error;  // Null: none.
  std::string result;                                // A v1.TaskResult, encoded; empty: none.
  std::unique_ptr<v1::Progress> progress;            // Null: none.
  std::vector<KeptAttempt> attempts;                 // The latest; `start_time` is the last one's.
};

// Null for what says nothing.
std::shared_ptr<const google::rpc::Status> KeepError(google::rpc::Status error);

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_OUTPUT_H_
