#include "server/service/submitter.h"

#include <memory>

namespace errand::service {
namespace {

// A stream has one read under way, thus one frame a round of the queue. More than these gain little.
constexpr int kMaxRounds = 16;
constexpr size_t kEnoughSubmissions = 256;

}  // namespace

// The store's answer to one batch, on its way back to the loop.
class Submitter::Answer final : public rpc::Posted {
 public:
  Answer(std::vector<Entry*> entries, std::vector<absl::Status> results)
      : entries_(std::move(entries)), results_(std::move(results)) {}

  void Run() override {
    const std::unique_ptr<Answer> self(this);
    size_t at = 0;
    for (Entry* entry : entries_) {
      const size_t size = entry->size_;
      entry->OnAnswer(absl::MakeSpan(results_).subspan(at, size));
      at += size;
    }
  }

 private:
  const std::vector<Entry*> entries_;
  std::vector<absl::Status> results_;
};

void Submitter::Add(Entry* entry) {
  if (waiting_.empty()) loop_.PostIdle(this);
  waiting_.push_back(entry);
  hurry_ = true;
}

void Submitter::AddPatiently(Entry* entry, size_t submissions) {
  if (waiting_.empty()) loop_.PostIdle(this);
  waiting_.push_back(entry);
  patient_submissions_ += submissions;
}

void Submitter::Run() {
  const bool more_came = waiting_.size() > std::exchange(seen_, waiting_.size());
  if (more_came && !hurry_ && patient_submissions_ < kEnoughSubmissions && rounds_ < kMaxRounds) {
    ++rounds_;
    loop_.PostIdle(this);
    return;
  }
  hurry_ = false;
  patient_submissions_ = 0;
  seen_ = 0;
  rounds_ = 0;
  std::vector<Entry*> entries = std::exchange(waiting_, {});
  std::vector<store::Submission> batch;
  for (Entry* entry : entries) {
    const size_t before = batch.size();
    entry->MoveTo(batch);
    entry->size_ = batch.size() - before;
  }
  store_.Submit(std::move(batch), store::SubmitMode::kEach,
                [this, entries = std::move(entries)](std::vector<absl::Status> results) mutable {
                  loop_.Post(new Answer(std::move(entries), std::move(results)));
                });
}

}  // namespace errand::service
