#ifndef ERRAND_SERVER_SERVICE_SUBMITTER_H_
#define ERRAND_SERVER_SERVICE_SUBMITTER_H_

#include <coroutine>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "server/rpc/loop.h"
#include "server/store/task_store.h"

namespace errand::service {

// Gathers the submissions of one loop's calls and hands them to the store together when the loop has
// nothing more ready: one commit and one wake-up serve all of them. For the loop's thread.
class Submitter : private rpc::Posted {
 public:
  using Results = absl::Span<absl::Status>;

  // Submissions that are made and answered together, one or many.
  class Entry {
   public:
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

   protected:
    Entry() = default;
    ~Entry() = default;

   private:
    friend class Submitter;
    // Moves the submissions to the end of `batch`.
    virtual void MoveTo(std::vector<store::Submission>& batch) = 0;
    // The store's answer to them, in their order. The entry may end.
    virtual void OnAnswer(Results results) = 0;

    size_t size_ = 0;
  };

  // A submission of its own, awaited.
  class [[nodiscard]] Awaiter final : private Entry {
   public:
    Awaiter(Submitter& submitter, store::Submission submission)
        : submitter_(submitter), submission_(std::move(submission)) {}

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> caller) {
      caller_ = caller;
      submitter_.Add(this);
    }
    absl::Status await_resume() { return std::move(result_); }

   private:
    void MoveTo(std::vector<store::Submission>& batch) override { batch.push_back(std::move(submission_)); }
    void OnAnswer(Results results) override {
      result_ = std::move(results[0]);
      caller_.resume();
    }

    Submitter& submitter_;
    store::Submission submission_;
    std::coroutine_handle<> caller_;
    absl::Status result_;
  };

  // Both are borrowed and must outlive the loop's calls.
  Submitter(rpc::Loop& loop, store::TaskStore& store) : loop_(loop), store_(store) {}

  // Awaits TaskStore::Submit's answer.
  Awaiter Submit(store::Submission submission) { return Awaiter(*this, std::move(submission)); }

  // `entry` is borrowed until it is answered.
  void Add(Entry* entry);

  // The same for an entry of that many submissions whose caller sends more without waiting for the answer: as
  // long as more come, they are given some time to come along.
  void AddPatiently(Entry* entry, size_t submissions);

 private:
  class Answer;

  void Run() override;

  rpc::Loop& loop_;
  store::TaskStore& store_;
  std::vector<Entry*> waiting_;
  bool hurry_ = false;              // Somebody among those waits for the answer.
  size_t patient_submissions_ = 0;  // Of the others.
  size_t seen_ = 0;                 // Of `waiting_`, when Run last looked.
  int rounds_ = 0;                  // How often that was.
};

}  // namespace errand::service

#endif  // ERRAND_SERVER_SERVICE_SUBMITTER_H_
