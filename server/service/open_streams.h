#ifndef ERRAND_SERVER_SERVICE_OPEN_STREAMS_H_
#define ERRAND_SERVER_SERVICE_OPEN_STREAMS_H_

#include <memory>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "server/rpc/loop.h"
#include "server/rpc/mailbox.h"

namespace errand::service {

// The calls of one loop that wait for something to happen, so that a drain can end them: it closes their
// mailboxes. For the loop's thread, but for Close.
template <class T>
class OpenStreams final : private rpc::Posted {
 public:
  using MailboxPtr = std::shared_ptr<rpc::Mailbox<T>>;

  explicit OpenStreams(rpc::Loop& loop) : loop_(loop) {}

  // Counts the mailbox as open from here to the end of its scope. After Close it is closed at once.
  class Membership {
   public:
    Membership(OpenStreams& streams, MailboxPtr mailbox) : streams_(streams), mailbox_(std::move(mailbox)) {
      streams_.open_.insert(mailbox_);
      if (!streams_.reason_.ok()) mailbox_->Close(streams_.reason_);
    }
    ~Membership() { streams_.open_.erase(mailbox_); }
    Membership(const Membership&) = delete;
    Membership& operator=(const Membership&) = delete;

   private:
    OpenStreams& streams_;
    const MailboxPtr mailbox_;
  };

  // Closes all mailboxes, those that will come included. Any thread; once, while the loop runs.
  void Close(absl::Status reason) {
    posted_reason_ = std::move(reason);
    loop_.Post(this);
  }

 private:
  void Run() override {
    reason_ = posted_reason_;
    for (const MailboxPtr& mailbox : open_) mailbox->Close(reason_);
  }

  rpc::Loop& loop_;
  absl::Status posted_reason_;
  absl::Status reason_;
  absl::flat_hash_set<MailboxPtr> open_;
};

}  // namespace errand::service

#endif  // ERRAND_SERVER_SERVICE_OPEN_STREAMS_H_
