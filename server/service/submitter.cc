#include "server/service/submitter.h"

#include <memory>

namespace errand::service {

// The store's answer to one batch, on its way back to the loop.
class Submitter::Answer final : public rpc::Posted {
 public:
  Answer(std::vector<Awaiter*> awaiters, std::vector<absl::StatusOr<v1::Task>> results)
      : awaiters_(std::move(awaiters)), results_(std::move(results)) {}

  void Run() override {
    const std::unique_ptr<Answer> self(this);
    for (size_t i = 0; i < awaiters_.size(); ++i) {
      awaiters_[i]->result_.emplace(std::move(results_[i]));
      awaiters_[i]->caller_.resume();
    }
  }

 private:
  const std::vector<Awaiter*> awaiters_;
  std::vector<absl::StatusOr<v1::Task>> results_;
};

void Submitter::Add(Awaiter* awaiter) {
  if (waiting_.empty()) loop_.PostIdle(this);
  waiting_.push_back(awaiter);
}

void Submitter::Run() {
  std::vector<Awaiter*> awaiters = std::exchange(waiting_, {});
  std::vector<store::Submission> batch;
  batch.reserve(awaiters.size());
  for (Awaiter* awaiter : awaiters) batch.push_back(std::move(awaiter->submission_));
  store_.Submit(std::move(batch), [this, awaiters = std::move(awaiters)](
                                      std::vector<absl::StatusOr<v1::Task>> results) mutable {
    loop_.Post(new Answer(std::move(awaiters), std::move(results)));
  });
}

}  // namespace errand::service
