// The calls of TasksService that wait for something to happen, on loops of their own but for SubmitTasks.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "server/rpc/deadline.h"
#include "server/rpc/done_tag.h"
#include "server/rpc/mailbox.h"
#include "server/rpc/reply.h"
#include "server/service/answer_size.h"
#include "server/service/read_mask.h"
#include "server/service/result_pieces.h"
#include "server/service/status.h"
#include "server/service/submit_stream.h"
#include "server/service/task_view.h"
#include "server/service/tasks_service.h"
#include "server/service/unary_call.h"
#include "server/task/duration.h"
#include "server/task/errors.h"
#include "server/task/name.h"
#include "server/task/validate.h"

namespace errand::service {
namespace {

constexpr absl::Duration kMaxWait = absl::Hours(1);

// Events that go into one frame at most, and bytes of more than one: what a client does not read stays with
// it in the server.
constexpr int kMaxFrameEvents = 256;
constexpr int64_t kMaxFrameBytes = 64 << 10;

using Events = absl::StatusOr<store::EventBatch>;
using EventMailbox = rpc::Mailbox<Events>;
using QueueEventMailbox = rpc::Mailbox<QueueEvents>;
using TaskResults = std::vector<absl::StatusOr<v1::Task>>;

// Fills the events of a frame in, as many as a client takes.
class Frame {
 public:
  explicit Frame(google::protobuf::RepeatedPtrField<v1::TaskEvent>& events) : events_(events) {}

  // False where the frame has no room for the event any more; an empty one has.
  bool Add(const v1::TaskEvent& event) {
    const size_t bytes = event.ByteSizeLong();
    if (bytes_ > 0 && bytes_ + std::min(bytes, kMaxItemBytes) > kFullFrameBytes) return false;
    v1::TaskEvent& added = *events_.Add();
    added = event;
    if (bytes > kMaxItemBytes) LeaveResultOut(added);
    bytes_ += added.ByteSizeLong();
    return true;
  }

  // Once the frame was sent.
  void Clear() {
    events_.Clear();
    bytes_ = 0;
  }

 private:
  google::protobuf::RepeatedPtrField<v1::TaskEvent>& events_;
  size_t bytes_ = 0;
};

absl::Status CheckWait(const v1::WaitTaskRequest& request) {
  task::Violations found;
  found.Add(task::CheckTaskName(request.name(), "name"));
  found.Add(CheckView(request.view()));
  found.Add(CheckReadMask(request.read_mask(), "read_mask"));
  if (request.has_timeout()) {
    found.Add(task::ValidateDuration(request.timeout(), "timeout", absl::ZeroDuration(), kMaxWait));
  }
  return found.status();
}

absl::Status CheckWatchQueue(const v1::WatchQueueRequest& request) {
  task::Violations found;
  found.Add(task::CheckQueueName(request.parent(), "parent"));
  if (request.after_position() < 0) found.Add(task::InvalidField("after_position", "must not be negative"));
  return found.status();
}

}  // namespace

struct TasksService::RunMethod {
  using Request = v1::RunTaskRequest;
  using Response = v1::RunTaskResponse;
  static constexpr bool kCreates = true;
  // The first frame waits this long for more: most short tasks then need but one frame, and a caller's
  // wake-up does not compete with the script it waits for.
  static constexpr absl::Duration kLinger = absl::Milliseconds(1);
};

struct TasksService::WatchMethod {
  using Request = v1::WatchTaskRequest;
  using Response = v1::WatchTaskResponse;
  static constexpr bool kCreates = false;
  static constexpr absl::Duration kLinger = absl::ZeroDuration();
};

void TasksService::ArmStreams(rpc::Loop& loop) {
  WaitTask(loop);
  Stream<RunMethod>(loop);
  Stream<WatchMethod>(loop);
  WatchQueue(loop);
}

void TasksService::ArmRareStreams(rpc::Loop& loop) { ReadResult(loop); }

rpc::Call TasksService::SubmitTasks(rpc::Loop& loop) {
  PerLoop& state = Of(loop);
  const SubmitStream::Surroundings surroundings{loop, intake_, check_source_, state.submitter,
                                                state.submit_streams};
  auto stream = std::make_unique<SubmitStream>(surroundings);
  const bool accepted = co_await rpc::Operation([&](void* tag) {
    grpc_.RequestSubmitTasks(stream->context(), stream->io(), loop.queue(), loop.queue(), tag);
  });
  if (!accepted) co_return;
  SubmitTasks(loop);
  SubmitStream::Serve(std::move(stream));
}

rpc::Call TasksService::WaitTask(rpc::Loop& loop) {
  UnaryCall<v1::WaitTaskRequest, v1::WaitTaskResponse> call;
  rpc::DoneTag done(call.context);
  const bool accepted = co_await rpc::Operation(
      [&](void* tag) { grpc_.AcceptUnary(call.context, call.received, call.writer, loop, tag); });
  if (!accepted) co_return;
  WaitTask(loop);

  std::optional<OpenStreams::Membership> membership;  // Until the client has been told the end.
  absl::Status status = call.received.status;
  if (status.ok()) status = CheckWait(call.request);
  if (status.ok()) {
    auto mailbox = std::make_shared<EventMailbox>(loop, 1);
    membership.emplace(Of(loop).streams, CloseMailbox(mailbox));
    done.OnDone([&] { mailbox->Close(absl::CancelledError("the client has gone")); });
    const absl::Duration timeout =
        call.request.has_timeout() ? task::FromProto(call.request.timeout()) : kMaxWait;
    rpc::Deadline deadline(loop, clock::Instant::Now() + timeout, [&] { mailbox->Close(absl::OkStatus()); });
    int64_t after_sequence = 0;
    for (bool ended = false; !ended && status.ok();) {
      store::WatchRequest watch{call.request.name(), after_sequence, kMaxFrameEvents, kMaxFrameBytes};
      const store::WaitId id =
          store_->Watch(std::move(watch), [mailbox](Events batch) { mailbox->Push(std::move(batch)); });
      std::optional<Events> received = co_await mailbox->Receive();
      if (!received.has_value()) {
        store_->StopWaiting(id);
        status = mailbox->reason();
        break;  // A timeout is no error: the answer is the task as it is.
      }
      status = received->status();
      if (absl::IsOutOfRange(status)) {
        // More came meanwhile than is kept. None is shown here: from the oldest one on.
        status = absl::OkStatus();
        after_sequence = 0;
        continue;
      }
      if (!status.ok()) break;
      ended = (*received)->ended;
      if (!(*received)->events.empty()) after_sequence = (*received)->events.back()->sequence();
    }
    deadline.Cancel();
    done.OnDone(nullptr);
    co_await deadline;
  }
  std::optional<UnreadAnswers::Held> held;
  grpc::Status grpc_status = ToGrpc(status);
  if (status.ok()) {
    rpc::Reply<TaskResults> reply(loop);
    store_->Get({{call.request.name(), FullUnlessBasic(call.request.view())}}, reply.callback());
    TaskResults results = co_await reply;
    status = results[0].status();
    if (status.ok()) {
      ApplyReadMask(call.request.read_mask(), *results[0]);
      call.response.mutable_task()->Swap(&*results[0]);
      held.emplace(unread_, call.response.ByteSizeLong(), [&] { call.context.TryCancel(); });
      status = held->status();
      if (status.ok()) status = CheckAnswerBytes(call.response);
    }
    grpc_status = ToGrpc(status);
  }
  co_await rpc::Operation([&](void* tag) { call.Finish(grpc_status, tag); });
  co_await done;
}

template <class Method>
rpc::Call TasksService::Stream(rpc::Loop& loop) {
  grpc::ServerContext context;
  typename Method::Request request;
  Received<typename Method::Request> received_request(request);
  typename Method::Response response;
  Frame frame(*response.mutable_events());
  grpc::ServerAsyncWriter<typename Method::Response> writer(&context);
  rpc::DoneTag done(context);
  const bool accepted = co_await rpc::Operation(
      [&](void* tag) { grpc_.AcceptStreaming(context, received_request, writer, loop, tag); });
  if (!accepted) co_return;
  Stream<Method>(loop);

  std::optional<OpenStreams::Membership> membership;  // Until the client has been told the end.
  store::WatchRequest watch;
  absl::Status status = received_request.status;
  if (!status.ok()) {
    // There is no request.
  } else if constexpr (Method::kCreates) {
    status = intake_.CheckOpen();
    if (status.ok()) {
      absl::StatusOr<store::Submission> submission =
          Intake::Prepare(*request.mutable_create(), ValidateOnly::kRefused, absl::Now());
      SourceChecks checks(loop, check_source_);
      checks.Add(submission);
      co_await checks;
      status = task::At("create", submission.status());
      if (status.ok()) {
        status = co_await Of(loop).submitter.Submit(*std::move(submission));
        if (task::NamesField(status)) status = task::At("create", status);
        watch.name = request.create().task().name();
        request.clear_create();  // A payload may be large, and the stream may be open for long.
      }
    }
  } else {
    task::Violations found;
    found.Add(task::CheckTaskName(request.name(), "name"));
    if (request.after_sequence() < 0) {
      found.Add(task::InvalidField("after_sequence", "must not be negative"));
    }
    status = found.status();
    if (status.ok()) status = intake_.CheckOpen();
    watch.name = request.name();
    watch.after_sequence = request.after_sequence();
  }

  bool last_frame = false;  // `response` holds it; it goes out with the status.
  if (status.ok()) {
    watch.max_events = kMaxFrameEvents;
    watch.max_bytes = kMaxFrameBytes;
    // Holds one batch, and the end of the linger. The store keeps the rest, whatever the reader's pace.
    auto mailbox = std::make_shared<EventMailbox>(loop, 2);
    membership.emplace(Of(loop).streams, CloseMailbox(mailbox));
    done.OnDone([&] { mailbox->Close(absl::CancelledError("the client has gone")); });
    std::optional<rpc::Deadline> linger;
    bool lingering = false;
    bool watching = false;
    store::WaitId watch_id = 0;
    while (status.ok()) {
      if (!std::exchange(watching, true)) {
        watch_id = store_->Watch(watch, [mailbox](Events batch) { mailbox->Push(std::move(batch)); });
      }
      std::optional<Events> received = co_await mailbox->Receive();
      status = received.has_value() ? received->status() : mailbox->reason();
      if (!status.ok()) break;
      const store::EventBatch& batch = **received;
      bool full = false;
      if (batch.events.empty() && !batch.ended) {
        lingering = false;
      } else {
        watching = false;
        for (const auto& event : batch.events) {
          full = !frame.Add(*event);
          if (full) break;  // The store tells the rest again.
          watch.after_sequence = event->sequence();
        }
      }
      if (batch.ended && !full) {
        last_frame = response.events_size() > 0;
        break;
      }
      if (Method::kLinger > absl::ZeroDuration() && !linger.has_value()) {
        lingering = true;
        linger.emplace(loop, clock::Instant::Now() + Method::kLinger,
                       [mailbox] { mailbox->Push(store::EventBatch()); });
      }
      if ((lingering && !full) || response.events_size() == 0) continue;
      const UnreadAnswers::Held held(unread_, response.ByteSizeLong(), [&] { context.TryCancel(); });
      status = held.status();
      if (!status.ok()) break;
      const bool written = co_await rpc::Operation([&](void* tag) { writer.Write(response, tag); });
      if (!written) status = absl::CancelledError("the client has gone");
      frame.Clear();
    }
    if (watching) store_->StopWaiting(watch_id);
    if (linger.has_value()) {
      rpc::Deadline& pending = *linger;  // g++ 12 copies what is awaited through an operator.
      pending.Cancel();
      co_await pending;
    }
    done.OnDone(nullptr);
  }
  std::optional<UnreadAnswers::Held> held;
  if (last_frame) {
    held.emplace(unread_, response.ByteSizeLong(), [&] { context.TryCancel(); });
    status = held->status();
    last_frame = status.ok();
  }
  const grpc::Status grpc_status = ToGrpc(status);
  co_await rpc::Operation([&](void* tag) {
    if (last_frame) {
      writer.WriteAndFinish(response, grpc::WriteOptions(), grpc_status, tag);
    } else {
      writer.Finish(grpc_status, tag);
    }
  });
  co_await done;
}

rpc::Call TasksService::WatchQueue(rpc::Loop& loop) {
  grpc::ServerContext context;
  v1::WatchQueueRequest request;
  Received<v1::WatchQueueRequest> received_request(request);
  grpc::ServerAsyncWriter<grpc::ByteBuffer> writer(&context);
  rpc::DoneTag done(context);
  const bool accepted = co_await rpc::Operation(
      [&](void* tag) { grpc_.AcceptStreaming(context, received_request, writer, loop, tag); });
  if (!accepted) co_return;
  WatchQueue(loop);

  std::optional<OpenStreams::Membership> membership;  // Until the client has been told the end.
  absl::Status status = received_request.status;
  if (status.ok()) status = CheckWatchQueue(request);
  if (status.ok()) status = intake_.CheckOpen();
  if (status.ok()) {
    // Holds one batch, and the mark of the start. The store keeps the rest, whatever the reader's pace.
    auto mailbox = std::make_shared<QueueEventMailbox>(loop, 2);
    membership.emplace(Of(loop).streams, CloseMailbox(mailbox));
    done.OnDone([&] { mailbox->Close(absl::CancelledError("the client has gone")); });
    QueueFeed::Watcher watcher(Of(loop).feeds.Of(request.parent()), mailbox);
    int64_t position = request.after_position();
    std::optional<store::WaitId> reading;  // By itself: at first, and where the feed has no frame for it.
    bool marked = position > 0;
    bool started = false;
    while (status.ok()) {
      std::vector<grpc::ByteBuffer> frames;
      std::optional<grpc::ByteBuffer> frame;
      if (started && !reading.has_value()) frame = watcher.Take(position);
      if (frame.has_value()) {
        frames.push_back(*std::move(frame));
      } else {
        if (!reading.has_value() && (!started || !watcher.Await(position))) {
          store::WatchQueueRequest watch{request.parent(), position, kMaxFrameEvents, kMaxFrameBytes};
          if (started) watch.through_position = watcher.ReadThrough(position);
          reading = store_->WatchQueue(std::move(watch),
                                       [mailbox](QueueEvents batch) { mailbox->Push(std::move(batch)); });
          if (!started && marked) {
            // The client learns that it watches before anything happens, unless the store has refused
            // already.
            store::QueueEventBatch start;
            start.position = position;
            mailbox->Push(std::move(start));
          }
        }
        std::optional<QueueEvents> received = co_await mailbox->Receive();
        status = received.has_value() ? received->status() : mailbox->reason();
        if (!status.ok()) break;
        const store::QueueEventBatch& batch = **received;
        const bool is_mark = marked && batch.events.empty() && batch.position == request.after_position();
        if (is_mark) marked = false;
        if (!is_mark && reading.has_value()) {
          reading.reset();
          position = batch.position;
        }
        // Where the client starts at the latest position, the store's first answer is empty, too.
        if (!std::exchange(started, true)) {
          frames.push_back(FrameOf({}, batch.events.empty() ? batch.position : request.after_position()));
        }
        if (!batch.events.empty()) frames.push_back(FrameOf({EncodeEvents(batch)}, position));
      }
      for (const grpc::ByteBuffer& next : frames) {
        const UnreadAnswers::Held held(unread_, next.Length(), [&] { context.TryCancel(); });
        status = held.status();
        if (!status.ok()) break;
        const bool written = co_await rpc::Operation([&](void* tag) { writer.Write(next, tag); });
        if (written) continue;
        status = absl::CancelledError("the client has gone");
        break;
      }
    }
    if (reading.has_value()) store_->StopWaiting(*reading);
    done.OnDone(nullptr);
  }
  const grpc::Status grpc_status = ToGrpc(status);
  co_await rpc::Operation([&](void* tag) { writer.Finish(grpc_status, tag); });
  co_await done;
}

rpc::Call TasksService::ReadResult(rpc::Loop& loop) {
  grpc::ServerContext context;
  v1::ReadResultRequest request;
  Received<v1::ReadResultRequest> received(request);
  v1::ReadResultResponse response;
  grpc::ServerAsyncWriter<v1::ReadResultResponse> writer(&context);
  const bool accepted = co_await rpc::Operation(
      [&](void* tag) { grpc_.AcceptStreaming(context, received, writer, loop, tag); });
  if (!accepted) co_return;
  ReadResult(loop);

  absl::Status status = received.status;
  if (status.ok()) status = task::CheckTaskName(request.name(), "name");
  if (status.ok()) {
    rpc::Reply<TaskResults> reply(loop);
    store_->Get({{request.name(), v1::TASK_VIEW_FULL}}, reply.callback());
    TaskResults results = co_await reply;
    status = results[0].status();
    if (status.ok()) {
      // All of it is held until the last piece has gone; with each piece the client has read something.
      const size_t bytes = results[0]->result().ByteSizeLong();
      std::optional<UnreadAnswers::Held> held;
      ResultPieces pieces(std::move(*results[0]->mutable_result()));
      absl::Status stopped;
      const OpenStreams::Membership membership(Of(loop).streams,
                                               [&stopped](const absl::Status& reason) { stopped = reason; });
      while (status.ok() && pieces.more()) {
        pieces.Next(response);
        held.emplace(unread_, bytes, [&context] { context.TryCancel(); });
        status = held->status();
        if (!status.ok()) break;
        const bool written = co_await rpc::Operation([&](void* tag) { writer.Write(response, tag); });
        if (!written) {
          status = absl::CancelledError("the client has gone");
        } else if (pieces.more()) {
          status = stopped;
        }
      }
    }
  }
  const grpc::Status grpc_status = ToGrpc(status);
  co_await rpc::Operation([&](void* tag) { writer.Finish(grpc_status, tag); });
}

}  // namespace errand::service
