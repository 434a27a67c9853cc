#ifndef ERRAND_SERVER_SERVICE_SUBMITTER_H_
#define ERRAND_SERVER_SERVICE_SUBMITTER_H_

#include <coroutine>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/rpc/loop.h"
#include "server/store/task_store.h"

namespace errand::service {

// Gathers the submissions of one loop's calls and hands them to the store together when the loop has
// nothing more ready: one commit and one wake-up serve all of them. For the loop's thread.
class Submitter : private rpc::Posted {
 public:
  class [[nodiscard]] Awaiter {
   public:
    Awaiter(Submitter& submitter, store::Submission submission)
        : submitter_(submitter), submission_(std::move(submission)) {}
    Awaiter(const Awaiter&) = delete;
    Awaiter& operator=(const Awaiter&) = delete;

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> caller) {
      caller_ = caller;
      submitter_.Add(this);
    }
    absl::StatusOr<v1::Task> await_resume() { return *std::move(result_); }

   private:
    friend class Submitter;
    Submitter& submitter_;
    store::Submission submission_;
    std::coroutine_handle<> caller_;
    std::optional<absl::StatusOr<v1::Task>> result_;
  };

  // Both are borrowed and must outlive the loop's calls.
  Submitter(rpc::Loop& loop, store::TaskStore& store) : loop_(loop), store_(store) {}

  // Awaits TaskStore::Submit's answer.
  Awaiter Submit(store::Submission submission) { return Awaiter(*this, std::move(submission)); }

 private:
  class Answer;

  void Add(Awaiter* awaiter);
  void Run() override;

  rpc::Loop& loop_;
  store::TaskStore& store_;
  std::vector<Awaiter*> waiting_;
};

}  // namespace errand::service

#endif  // ERRAND_SERVER_SERVICE_SUBMITTER_H_
