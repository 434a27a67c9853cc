#include "server/service/queue_feed.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "google/protobuf/io/coded_stream.h"
#include "server/rpc/yield.h"
#include "server/service/answer_size.h"

namespace errand::service {
namespace {

using google::protobuf::io::CodedOutputStream;

// What the feed reads at a time, and what a watcher is sent at a time: one that does not read holds so much.
constexpr int kMaxBatchEvents = 4'096;
constexpr int64_t kMaxBatchBytes = 64 << 10;
// What is kept for watchers that are behind: those who are further behind read by themselves.
constexpr size_t kMaxKeptBytes = 1 << 20;
// Feeds that nobody watches any more are looked for when there are twice as many.
constexpr size_t kFewFeeds = 64;

// Fields of WatchQueueResponse.
constexpr uint8_t kEventsTag = 1 << 3 | 2;
constexpr uint8_t kPositionTag = 2 << 3 | 0;

}  // namespace

grpc::Slice EncodeEvents(const store::QueueEventBatch& batch) {
  // One that is so large is alone.
  const bool alone = batch.events.size() == 1 && batch.events[0]->state().has_result();
  if (alone && batch.events[0]->ByteSizeLong() > kMaxItemBytes) {
    auto reduced = std::make_shared<v1::TaskEvent>(*batch.events[0]);
    LeaveResultOut(*reduced);
    store::QueueEventBatch small;
    small.events.push_back(std::move(reduced));
    return EncodeEvents(small);
  }
  size_t size = 0;
  for (const auto& event : batch.events) {
    const size_t bytes = event->ByteSizeLong();
    size += 1 + CodedOutputStream::VarintSize32(static_cast<uint32_t>(bytes)) + bytes;
  }
  grpc_slice slice = grpc_slice_malloc(size);
  uint8_t* end = GRPC_SLICE_START_PTR(slice);
  for (const auto& event : batch.events) {
    *end++ = kEventsTag;
    end = CodedOutputStream::WriteVarint32ToArray(static_cast<uint32_t>(event->GetCachedSize()), end);
    end = event->SerializeWithCachedSizesToArray(end);
  }
  return grpc::Slice(slice, grpc::Slice::STEAL_REF);
}

grpc::ByteBuffer FrameOf(std::vector<grpc::Slice> parts, int64_t position) {
  uint8_t tail[1 + 10];
  tail[0] = kPositionTag;
  const uint8_t* const end =
      CodedOutputStream::WriteVarint64ToArray(static_cast<uint64_t>(position), tail + 1);
  parts.emplace_back(tail, static_cast<size_t>(end - tail));
  return grpc::ByteBuffer(parts.data(), parts.size());
}

QueueFeed::Watcher::Watcher(std::shared_ptr<QueueFeed> feed, std::shared_ptr<Inbox> inbox)
    : feed_(std::move(feed)), inbox_(std::move(inbox)) {
  feed_->watchers_.push_back(this);
}

QueueFeed::Watcher::~Watcher() {
  auto& watchers = feed_->watchers_;
  watchers.erase(std::find(watchers.begin(), watchers.end(), this));
  if (!watchers.empty()) return;
  feed_->ended_ = true;  // Whoever comes now gets another one.
  feed_->inbox_->Close(absl::OkStatus());
}

std::optional<grpc::ByteBuffer> QueueFeed::Watcher::Take(int64_t& position) {
  const auto& frames = feed_->frames_;
  const auto first = std::lower_bound(frames.begin(), frames.end(), position,
                                      [](const Frame& frame, int64_t at) { return frame.start < at; });
  position_ = position;
  if (first == frames.end() || first->start != position) return std::nullopt;
  std::vector<grpc::Slice> parts;
  size_t bytes = 0;
  for (auto frame = first; frame != frames.end(); ++frame) {
    bytes += frame->events.size();
    if (!parts.empty() && bytes > static_cast<size_t>(kMaxBatchBytes)) break;
    parts.push_back(frame->events);
    position = frame->end;
  }
  position_ = position;
  return FrameOf(std::move(parts), position);
}

int64_t QueueFeed::Watcher::ReadThrough(int64_t position) const {
  if (feed_->ended_) return std::numeric_limits<int64_t>::max();
  const auto& frames = feed_->frames_;
  const auto next = std::upper_bound(frames.begin(), frames.end(), position,
                                     [](int64_t at, const Frame& frame) { return at < frame.start; });
  return next == frames.end() ? feed_->position_ : next->start;
}

bool QueueFeed::Watcher::Await(int64_t position) {
  position_ = position;
  if (feed_->ended_ || position < feed_->position_) return false;
  waits_ = true;
  return true;
}

rpc::Call QueueFeed::Run(rpc::Loop& loop, std::shared_ptr<QueueFeed> /*self*/) {
  for (;;) {
    store::WatchQueueRequest watch{queue_, position_, kMaxBatchEvents, kMaxBatchBytes};
    const store::WaitId id = store_.WatchQueue(
        std::move(watch), [inbox = inbox_](QueueEvents batch) { inbox->Push(std::move(batch)); });
    std::optional<QueueEvents> received = co_await inbox_->Receive();
    if (!received.has_value()) {
      store_.StopWaiting(id);
      break;
    }
    if (absl::IsOutOfRange(received->status())) {
      // More came meanwhile than is kept. Who watches is told so when it reads by itself.
      frames_.clear();
      bytes_ = 0;
      position_ = 0;
      continue;
    }
    if (!received->ok()) {
      ended_ = true;
      Wake(*received);
      break;
    }
    Add(**received);
    Wake(store::QueueEventBatch());
    // Others go first: what comes meanwhile makes one frame.
    rpc::Yield to_others(loop);
    co_await to_others;
    Trim();
  }
  ended_ = true;
}

void QueueFeed::Add(const store::QueueEventBatch& batch) {
  if (!batch.events.empty()) {
    frames_.push_back({position_, batch.position, EncodeEvents(batch)});
    bytes_ += frames_.back().events.size();
  } else if (!frames_.empty()) {
    // Nothing but what was replaced.
    frames_.back().end = batch.position;
  }
  position_ = batch.position;
}

void QueueFeed::Wake(const QueueEvents& what) {
  for (Watcher* watcher : watchers_) {
    if (std::exchange(watcher->waits_, false)) watcher->inbox_->Push(what);
  }
}

void QueueFeed::Trim() {
  int64_t taken = position_;
  for (const Watcher* watcher : watchers_) taken = std::min(taken, watcher->position_);
  while (!frames_.empty() && (frames_.front().end <= taken || bytes_ > kMaxKeptBytes)) {
    bytes_ -= frames_.front().events.size();
    frames_.pop_front();
  }
}

std::shared_ptr<QueueFeed> QueueFeeds::Of(const std::string& queue) {
  if (std::shared_ptr<QueueFeed> feed = feeds_[queue].lock(); feed != nullptr && !feed->ended()) return feed;
  if (feeds_.size() > kFewFeeds) {
    absl::erase_if(feeds_, [](const auto& entry) { return entry.second.expired(); });
  }
  auto feed = std::make_shared<QueueFeed>(store_, loop_, queue);
  feeds_[queue] = feed;
  feed->Run(loop_, feed);
  return feed;
}

}  // namespace errand::service
