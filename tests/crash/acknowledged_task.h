#ifndef ERRAND_TESTS_CRASH_ACKNOWLEDGED_TASK_H_
#define ERRAND_TESTS_CRASH_ACKNOWLEDGED_TASK_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "errand/v1/tasks.pb.h"
#include "tests/crash/script_kind.h"

namespace errand {

// What one client knows for sure about one of its tasks: what the server has answered. Each answer is
// compared with those before it, whatever kills lie between them, and what does not fit is a failure of the
// test.
//
// A call that a kill has cut off may have been carried out or not. It leaves an open question, which the
// first answer after the restart decides.
class AcknowledgedTask {
 public:
  // About to be submitted. `position` goes up with a client's submissions.
  AcknowledgedTask(v1::CreateTaskRequest request, ScriptKind kind, int64_t position);

  const v1::CreateTaskRequest& request() const { return request_; }
  ScriptKind kind() const { return kind_; }
  int64_t position() const { return position_; }
  void SubmitAgain(int64_t position) { position_ = position; }
  // Empty as long as the server, which chooses it, has not told it.
  const std::string& name() const { return name_; }

  bool created() const { return created_; }
  bool delete_open() const { return delete_open_; }
  // Whether an answer has said that it has ended, and it was not retried since.
  bool ended() const { return !ended_etag_.empty(); }
  // The whole task as it ended, once an answer held that.
  const std::optional<v1::Task>& end() const { return end_; }
  bool retried() const { return retried_; }
  const std::vector<v1::TaskEvent>& events() const { return events_; }

  // Before the call; the answer comes with See, or with the other method.
  void CancelBegins() { cancel_begun_ = true; }
  void Cancelled(const v1::Task& answer);
  void RetryBegins() { retry_open_ = true; }
  void Retried(const v1::Task& answer);
  void DeleteBegins() { delete_open_ = true; }
  void NotDeleted() { delete_open_ = false; }

  // An answer in BASIC view; in FULL view; an event that a stream brought.
  void SeeBasic(const v1::Task& task);
  void See(const v1::Task& task);
  void See(const v1::TaskEvent& event);
  // The stream has ended: there are no events but those seen, and this is the task as it is.
  void CheckAllEvents() const;

  // For messages: what is known.
  std::string Describe() const;

 private:
  void StartsAfresh();
  void SeeEnd(const v1::Task& task);
  void CheckAttempts(const v1::Task& task) const;
  void CheckOutcome(const v1::Task& task) const;
  void Fail(const std::string& expected, const std::string& there) const;

  v1::CreateTaskRequest request_;
  const ScriptKind kind_;
  int64_t position_;
  std::string name_;
  std::string uid_;
  bool created_ = false;
  bool delete_open_ = false;
  bool cancel_begun_ = false;
  bool cancelled_ = false;  // Acknowledged: there are no attempts but those there were.
  bool retry_open_ = false;
  bool retried_ = false;
  int32_t attempt_count_ = 0;
  std::string ended_etag_;
  std::optional<v1::Task> latest_;  // The last that was seen in FULL view.
  std::optional<v1::Task> end_;
  std::vector<v1::TaskEvent> events_;
};

}  // namespace errand

#endif  // ERRAND_TESTS_CRASH_ACKNOWLEDGED_TASK_H_
