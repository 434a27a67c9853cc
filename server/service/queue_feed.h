#ifndef ERRAND_SERVER_SERVICE_QUEUE_FEED_H_
#define ERRAND_SERVER_SERVICE_QUEUE_FEED_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/rpc/call.h"
#include "server/rpc/loop.h"
#include "server/rpc/mailbox.h"
#include "server/store/task_store.h"

// What the watchers of one queue have in common. However many they are on a loop, they are one to the store,
// and its events are encoded once: each watcher is sent the same bytes, by reference.
//
//   store --WatchQueue, a batch--> QueueFeed::Run --encoded--> frames --woken--> watcher: Take, write, Take,
//   ...
//
// A watcher whose position lies between two frames, or before the first, reads from the store by itself until
// it has come to one. Frames go when all watchers have taken them, or when they are too many. For the loop's
// thread.
namespace errand::service {

using QueueEvents = absl::StatusOr<store::QueueEventBatch>;

// Encodes a v1::WatchQueueResponse; a result that is too large for clients is left out.
grpc::Slice EncodeEvents(const store::QueueEventBatch& batch);
// Of several parts, which stand one behind the other.
grpc::ByteBuffer FrameOf(std::vector<grpc::Slice> parts, int64_t position);

class QueueFeed {
 public:
  // Who watches: `mailbox` is told when there is more, or that there is no feed any more.
  class Watcher {
   public:
    using Inbox = rpc::Mailbox<QueueEvents>;
    Watcher(std::shared_ptr<QueueFeed> feed, std::shared_ptr<Inbox> inbox);
    ~Watcher();
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;

    // The next frame, of events after `position`, which is then that of its last one. Nothing where there is
    // none of that position.
    std::optional<grpc::ByteBuffer> Take(int64_t& position);
    // Where a watcher that reads by itself should stop: at the beginning of a frame that it could take.
    int64_t ReadThrough(int64_t position) const;
    // True where the feed has not come past this position yet: once it has, an empty batch of position 0 is
    // put into the inbox, or why it has ended. False where the watcher is to read by itself.
    bool Await(int64_t position);

   private:
    friend class QueueFeed;
    const std::shared_ptr<QueueFeed> feed_;
    const std::shared_ptr<Inbox> inbox_;
    int64_t position_ = 0;
    bool waits_ = false;
  };

  QueueFeed(store::TaskStore& store, rpc::Loop& loop, std::string queue)
      : store_(store),
        queue_(std::move(queue)),
        inbox_(std::make_shared<rpc::Mailbox<QueueEvents>>(loop, 1)) {}

  // Follows the queue until nobody watches. Keeps the feed.
  rpc::Call Run(rpc::Loop& loop, std::shared_ptr<QueueFeed> self);

  // It has ended: who watches now needs another one.
  bool ended() const { return ended_; }

 private:
  struct Frame {
    int64_t start;
    int64_t end;
    grpc::Slice events;
  };

  void Add(const store::QueueEventBatch& batch);
  void Wake(const QueueEvents& what);
  // Frames that all have taken, and what is too much.
  void Trim();

  store::TaskStore& store_;
  const std::string queue_;
  const std::shared_ptr<rpc::Mailbox<QueueEvents>> inbox_;
  std::vector<Watcher*> watchers_;
  std::deque<Frame> frames_;  // Each begins where the one before ends; the last ends at `position_`.
  size_t bytes_ = 0;          // Of frames.
  int64_t position_ = 0;      // 0: not known yet.
  bool ended_ = false;
};

// The feeds of one loop, by queue.
class QueueFeeds {
 public:
  QueueFeeds(store::TaskStore& store, rpc::Loop& loop) : store_(store), loop_(loop) {}

  // The feed of a queue, started now if there is none.
  std::shared_ptr<QueueFeed> Of(const std::string& queue);

 private:
  store::TaskStore& store_;
  rpc::Loop& loop_;
  absl::flat_hash_map<std::string, std::weak_ptr<QueueFeed>> feeds_;
};

}  // namespace errand::service

#endif  // ERRAND_SERVER_SERVICE_QUEUE_FEED_H_
