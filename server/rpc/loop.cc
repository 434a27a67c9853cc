#include "server/rpc/loop.h"

#include <utility>

namespace errand::rpc {
namespace {

thread_local const Loop* current_loop = nullptr;

}  // namespace

void Loop::List::Append(Posted* posted) {
  posted->next_ = nullptr;
  (first == nullptr ? first : last->next_) = posted;
  last = posted;
}

void Loop::List::RunAll() {
  Posted* posted = std::exchange(first, nullptr);
  while (posted != nullptr) {
    // It may be posted again, or be gone, after it ran.
    Posted* next = posted->next_;
    posted->Run();
    posted = next;
  }
}

Loop::Loop(std::unique_ptr<grpc::ServerCompletionQueue> queue, Timers* timers)
    : queue_(std::move(queue)), timers_(*timers) {
  inbox_wake_.on_complete = &Loop::OnInbox;
  idle_wake_.on_complete = &Loop::OnIdle;
  inbox_wake_.loop = idle_wake_.loop = this;
}

Loop::~Loop() { Join(); }

void Loop::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Loop::WaitForCalls() {
  for (int64_t calls; (calls = calls_.load(std::memory_order_acquire)) != 0;) calls_.wait(calls);
}

void Loop::Shutdown() { queue_->Shutdown(); }

void Loop::Join() {
  if (thread_.joinable()) thread_.join();
}

bool Loop::IsCurrent() const { return current_loop == this; }

void Loop::Post(Posted* posted) {
  if (IsCurrent()) {
    local_.Append(posted);
    return;
  }
  Posted* head = inbox_.load(std::memory_order_relaxed);
  do {
    posted->next_ = head;
  } while (!inbox_.compare_exchange_weak(head, posted, std::memory_order_release, std::memory_order_relaxed));
  if (head == nullptr) SetWake(inbox_wake_);
}

void Loop::PostIdle(Posted* posted) {
  if (idle_.first == nullptr) SetWake(idle_wake_);
  idle_.Append(posted);
}

void Loop::SetWake(Wake& wake) {
  grpc::ServerCompletionQueue* queue = queue_.get();
  BeforeStart(&wake);
  // gpr_now would add up to a millisecond; the infinite past is due at once.
  wake.alarm.Set(queue, gpr_inf_past(GPR_CLOCK_MONOTONIC), static_cast<Tag*>(&wake));
}

void Loop::OnInbox(Tag* tag, bool) {
  Loop* loop = static_cast<Wake*>(tag)->loop;
  Posted* latest_first = loop->inbox_.exchange(nullptr, std::memory_order_acquire);
  Posted* in_order = nullptr;
  while (latest_first != nullptr) {
    Posted* next = latest_first->next_;
    latest_first->next_ = in_order;
    in_order = latest_first;
    latest_first = next;
  }
  while (in_order != nullptr) {
    Posted* next = in_order->next_;
    in_order->Run();
    in_order = next;
  }
}

void Loop::OnIdle(Tag* tag, bool) { static_cast<Wake*>(tag)->loop->idle_.RunAll(); }

void Loop::Run() {
  current_loop = this;
  void* untyped;
  bool ok;
  while (queue_->Next(&untyped, &ok)) {
    Tag* tag = static_cast<Tag*>(untyped);
    AfterCompletion(tag);
    tag->on_complete(tag, ok);
    while (local_.first != nullptr) local_.RunAll();
  }
}

}  // namespace errand::rpc
