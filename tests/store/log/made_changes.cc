#include "tests/store/log/made_changes.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/store/memory/body.h"
#include "server/store/memory/changes.pb.h"
#include "server/task/state.h"

namespace errand::store {
namespace {

constexpr int kMaxChanges = 60;
constexpr int64_t kNow = 1'000'000'000'000'000'000;  // The fixture's clock.
constexpr int64_t kSecond = 1'000'000'000;

// What `bytes` decide.
class Input {
 public:
  explicit Input(absl::string_view bytes) : bytes_(bytes) { hostility_ = Byte() % 16; }

  bool empty() const { return bytes_.empty(); }
  // 0 behind the end.
  uint8_t Byte() {
    if (bytes_.empty()) return 0;
    const auto byte = static_cast<uint8_t>(bytes_.front());
    bytes_.remove_prefix(1);
    return byte;
  }
  absl::string_view Bytes(size_t size) {
    const absl::string_view bytes = bytes_.substr(0, size);
    bytes_.remove_prefix(bytes.size());
    return bytes;
  }
  // Whether something is not to be what it should be.
  bool Wrong() { return hostility_ > 0 && 255 - Byte() < hostility_; }

  // What it should be, or something else.
  template <class T>
  T Number(T right) {
    if (!Wrong()) return right;
    constexpr std::array<uint64_t, 11> kOthers = {(uint64_t{1} << 62) - 1000000,
                                                  0,
                                                  1,
                                                  2,
                                                  UINT64_MAX,
                                                  INT64_MAX,
                                                  uint64_t{1} << 63,
                                                  INT32_MAX,
                                                  uint64_t{1} << 31,
                                                  uint64_t{1} << 62,
                                                  static_cast<uint64_t>(kNow)};
    const size_t which = Byte() % (2 * kOthers.size());
    return static_cast<T>(which < kOthers.size() ? kOthers[which] : Byte() % 8);
  }
  std::string Text(std::string right) {
    if (!Wrong()) return right;
    std::string text(Bytes(Byte() % 16));
    for (char& byte : text) byte = static_cast<char>(byte & 0x7f);  // Else it is not readable, and no more.
    return text;
  }
  bool Flag(bool right) { return Wrong() ? !right : right; }

 private:
  absl::string_view bytes_;
  int hostility_ = 0;
};

class Changes {
 public:
  explicit Changes(absl::string_view bytes) : input_(bytes) {}

  std::vector<MadeChange> All() {
    while (!input_.empty() && all_.size() < kMaxChanges) Next();
    return std::move(all_);
  }

 private:
  // What the changes so far say of a task.
  struct Known {
    uint64_t order = 0;
    std::string name;
    std::string key;
    uint64_t key_position = 0;
    v1::TaskState state = v1::TASK_STATE_QUEUED;
    int32_t attempts = 0;
    int32_t revision = 1;
    int64_t next_sequence = 1;
    bool forgotten = false;
  };

  void Next() {
    Change change;
    body_.clear();
    const uint8_t kind = input_.Byte() % 16;
    Known* const known = Any();
    if (kind < 4 || known == nullptr) {
      AddTask(*change.mutable_task_added());
    } else if (kind < 6) {
      SayAgain(*known, *change.mutable_task_added());
    } else if (kind == 10 && task::IsTerminal(known->state)) {
      Store(*known, *change.mutable_past_stored());
    } else if (kind < 11) {
      Move(*known, *change.mutable_task_moved());
    } else if (kind == 11 && input_.Flag(known->state == v1::TASK_STATE_RUNNING)) {
      Report(*known, *change.mutable_task_reported());
    } else if (kind == 12 && input_.Flag(known->state == v1::TASK_STATE_RUNNING)) {
      change.mutable_task_cancel_requested()->set_order(input_.Number(known->order));
    } else if (kind == 12) {
      change.mutable_task_forgotten()->set_order(input_.Number(known->order));
      known->forgotten = true;
    } else if (kind == 13) {
      SetQueueOrScript(change);
    } else if (kind == 14) {
      RememberOrDrop(*known, change);
    } else if (!input_.Wrong()) {
      CancelOrPurge(*known, change);
    } else {
      // Whatever the bytes are.
      const absl::string_view bytes = input_.Bytes(input_.Byte());
      all_.push_back({std::string(bytes), "", true});
      return;
    }
    if (change.change_case() == Change::CHANGE_NOT_SET && !input_.Wrong()) return;
    all_.push_back({change.SerializeAsString(), body_, !input_.Wrong()});
  }

  // One of those that are there, if there is any.
  Known* Any() {
    if (tasks_.empty()) return nullptr;
    Known& known = tasks_[input_.Byte() % tasks_.size()];
    return known.forgotten && !input_.Wrong() ? nullptr : &known;
  }

  int64_t Time() { return input_.Number(kNow - static_cast<int64_t>(input_.Byte()) * kSecond); }

  std::string QueueName() {
    constexpr std::array<const char*, 3> kQueues = {"queues/default", "queues/q", "queues/other"};
    return kQueues[input_.Byte() % kQueues.size()];
  }

  void MakeBody(TaskAdded& added) {
    v1::Task task;
    task.set_name(added.name());
    task.set_uid("uid");
    if (added.email()) {
      task.mutable_email()->set_subject("subject");
    } else {
      task.mutable_lua()->set_source("return 1");
    }
    task.mutable_retry_policy()->set_max_attempts(input_.Number(2));
    if (input_.Wrong()) task.mutable_retry_policy()->mutable_max_backoff()->set_seconds(input_.Number(1));
    if (input_.Wrong()) task.mutable_retry_policy()->set_multiplier(input_.Number(1e308));
    const Body packed = PackBody(task);
    body_.assign(packed.bytes.get(), packed.size);
    if (input_.Wrong()) body_ = std::string(input_.Bytes(input_.Byte() % 32));
    added.set_body_bytes(input_.Number(static_cast<uint32_t>(body_.size())));
  }

  void AddTask(TaskAdded& added) {
    Known known;
    known.order = next_order_++;
    known.name = absl::StrCat(QueueName(), "/tasks/t", known.order);
    if (input_.Byte() % 4 == 0) known.key = "key";
    Describe(known, added);
    const v1::TaskState state = input_.Byte() % 4 == 0 ? v1::TASK_STATE_SCHEDULED : v1::TASK_STATE_QUEUED;
    Enter(known, state, *added.mutable_first());
    if (input_.Byte() % 4 == 0) added.set_request_id(absl::StrCat("r", input_.Byte() % 4));
    tasks_.push_back(std::move(known));
  }

  void Describe(const Known& known, TaskAdded& added) {
    added.set_order(input_.Number(known.order));
    added.set_name(input_.Wrong() && !tasks_.empty() ? tasks_.front().name : input_.Text(known.name));
    added.set_email(input_.Byte() % 4 == 0);
    added.set_priority(input_.Number(input_.Byte() % 10));
    if (input_.Byte() % 4 == 0) added.set_expire_time(input_.Number(kNow + 60 * kSecond));
    added.set_create_time(Time());
    added.set_ordering_key(input_.Text(known.key));
    if (input_.Flag(script_version_ > 0 && input_.Byte() % 4 == 0)) {
      added.set_script(input_.Text("scripts/s"));
      added.set_script_version(input_.Number(script_version_));
    }
    if (input_.Byte() % 4 == 0) AddAncestors(known, added);
    MakeBody(added);
  }

  void AddAncestors(const Known& known, TaskAdded& added) {
    for (const Known& other : tasks_) {
      if (input_.Flag(other.order >= known.order) || input_.Byte() % 2 == 0) continue;
      Ancestor& ancestor = *added.add_ancestors();
      ancestor.set_order(input_.Number(other.order));
      ancestor.set_name(input_.Text(other.name));
    }
    added.set_family_since(input_.Number(next_token_));
  }

  void CancelOrPurge(const Known& known, Change& change) {
    if (input_.Byte() % 2 == 0) {
      DescendantsCancelled& cancelled = *change.mutable_descendants_cancelled();
      cancelled.set_order(input_.Number(known.order));
      cancelled.set_over(input_.Byte() % 4 == 0);
      return;
    }
    if (input_.Byte() % 4 == 0) {
      change.mutable_queue_deleted()->set_name(input_.Text(QueueName()));
      return;
    }
    change.mutable_queue_purged()->set_name(input_.Text(QueueName()));
    change.mutable_queue_purged()->set_lease(input_.Number(next_token_));
  }

  void SayAgain(Known& known, TaskAdded& added) {
    Describe(known, added);
    added.set_again(input_.Flag(true));
    known.forgotten = false;
    const bool has_past = input_.Flag(known.attempts > 0 || known.state != v1::TASK_STATE_QUEUED);
    Enter(known, input_.Flag(has_past) ? AnyState() : v1::TASK_STATE_QUEUED, *added.mutable_first());
    TaskMoved& first = *added.mutable_first();
    const uint64_t lease_token = first.lease_token();
    if (!input_.Wrong()) first.clear_lease_token();
    if (!has_past) return;
    TaskPast& past = *added.mutable_past();
    Attempt(first, past.mutable_output()->add_attempts());
    if (input_.Wrong()) past.mutable_output()->clear_attempts();
    *past.mutable_output()->mutable_error() = first.error();
    (void)past.mutable_output()->mutable_result()->ParseFromString(first.result());
    past.mutable_output()->set_attempt_count(first.attempt_count());
    if (input_.Byte() % 2 == 0) {
      past.mutable_output()->mutable_end_time()->set_seconds(input_.Number(kNow / kSecond));
    }
    const int64_t dropped = input_.Byte() % 3;
    const int64_t events = 1 + input_.Byte() % 3;
    for (int64_t i = 0; i < events; ++i) {
      PastEvent& event = *past.add_events();
      event.set_time(Time());
      event.set_attempt(input_.Number(1));
      event.set_state(AnyState());
      if (input_.Byte() % 2 == 0) continue;
      event.mutable_event()->set_sequence(input_.Number(dropped + i + 1));
      event.mutable_event()->set_task(known.name);
      event.mutable_event()->mutable_log()->set_message("line");
    }
    if (input_.Wrong()) past.clear_events();
    known.next_sequence = dropped + events + 1;
    past.set_next_sequence(input_.Number(known.next_sequence));
    past.set_tries(first.tries());
    past.set_lease_token(lease_token);
    past.set_cancel_requested(input_.Byte() % 4 == 0);
  }

  v1::TaskState AnyState() { return static_cast<v1::TaskState>(input_.Number(1 + input_.Byte() % 7)); }

  static std::string Result() {
    v1::TaskResult result;
    result.set_data("data");
    return result.SerializeAsString();
  }

  void Attempt(const TaskMoved& moved, v1::Attempt* attempt) {
    attempt->set_number(input_.Number(moved.attempt_count()));
    attempt->mutable_start_time()->set_seconds(input_.Number(kNow / kSecond));
    attempt->set_worker("worker");
  }

  void Move(Known& known, TaskMoved& moved) {
    moved.set_order(input_.Number(known.order));
    Enter(known, AnyState(), moved);
    if (input_.Flag(known.attempts > 0)) Attempt(moved, moved.mutable_attempt());
  }

  void Enter(Known& known, v1::TaskState state, TaskMoved& moved) {
    known.state = state;
    ++known.next_sequence;
    if (known.state == v1::TASK_STATE_RUNNING) ++known.attempts;
    if (!known.key.empty() && known.key_position == 0) known.key_position = next_position_++;
    moved.set_state(known.state);
    moved.set_time(Time());
    if (known.state == v1::TASK_STATE_SCHEDULED) moved.set_due(input_.Number(kNow + 10 * kSecond));
    moved.set_position(input_.Number(next_position_++));
    moved.set_key_position(input_.Number(known.key_position));
    moved.set_revision(input_.Number(known.revision++));
    moved.set_never_expires(known.attempts > 0);
    moved.set_tries(input_.Number(known.attempts));
    moved.set_attempt_count(input_.Number(known.attempts));
    if (known.state == v1::TASK_STATE_FAILED || input_.Wrong()) moved.mutable_error()->set_code(2);
    if (known.state == v1::TASK_STATE_SUCCEEDED || input_.Wrong()) moved.set_result(Result());
    if (input_.Flag(known.state == v1::TASK_STATE_RUNNING))
      moved.set_lease_token(input_.Number(next_token_++));
  }

  void Store(const Known& known, PastStored& stored) {
    EndedPast past;
    const int64_t events = std::min<int64_t>(1 + input_.Byte() % 3, known.next_sequence - 1);
    for (int64_t i = known.next_sequence - events; i < known.next_sequence; ++i) {
      v1::TaskEvent& event = *past.add_events();
      event.set_sequence(input_.Number(i));
      event.set_task(known.name);
      event.mutable_state()->set_state(known.state);
      if (i + 1 == known.next_sequence) event.mutable_state()->mutable_result()->set_data("data");
    }
    body_ = past.SerializeAsString();
    stored.set_order(input_.Number(known.order));
    stored.set_events(input_.Number(static_cast<uint32_t>(events)));
    stored.set_bytes(input_.Number(static_cast<uint32_t>(body_.size())));
  }

  void Report(Known& known, TaskReported& reported) {
    reported.set_order(input_.Number(known.order));
    reported.set_time(Time());
    reported.set_replaces(input_.Byte() % 4 == 0);
    if (!reported.replaces()) ++known.next_sequence;
    v1::TaskEvent& event = *reported.mutable_event();
    switch (input_.Byte() % 4) {
      case 0:
        event.mutable_log()->set_message("line");
        break;
      case 1:
        event.mutable_output()->set_data("data");
        break;
      case 2:
        event.mutable_progress()->set_completed(input_.Number(1.0));
        break;
      default:
        event.mutable_state()->set_state(AnyState());
        break;
    }
  }

  void SetQueueOrScript(Change& change) {
    switch (input_.Byte() % 4) {
      case 0:
      case 1: {
        QueueSet& set = *change.mutable_queue_set();
        set.set_name(input_.Text(QueueName()));
        set.set_paused(input_.Byte() % 4 == 0);
        set.set_revision(input_.Number(next_revision_++));
        v1::Queue& settings = *set.mutable_settings();
        if (input_.Byte() % 2 == 0) {
          settings.mutable_rate_limit()->set_tasks_per_second(input_.Number(1.0));
          settings.mutable_rate_limit()->set_burst(input_.Number(1));
        }
        settings.set_max_running(input_.Number(2));
        settings.set_weight(input_.Number(1));
        if (input_.Byte() % 4 == 0) settings.mutable_retention()->set_max_count(input_.Number(2));
        if (input_.Byte() % 4 == 0) {
          settings.mutable_retention()->mutable_max_age()->set_seconds(input_.Number(60));
        }
        break;
      }
      case 2: {
        ScriptPut& put = *change.mutable_script_put();
        put.set_name(input_.Text("scripts/s"));
        put.set_version(input_.Number(++script_version_));
        put.set_source("return 1");
        put.set_time(Time());
        put.set_request_id(input_.Byte() % 2 == 0 ? "r" : "");
        put.set_retired(input_.Byte() % 4 == 0);
        break;
      }
      default:
        if (input_.Flag(script_version_ == 0)) break;
        change.mutable_script_deleted()->set_name(input_.Text("scripts/s"));
        break;
    }
  }

  void RememberOrDrop(const Known& known, Change& change) {
    if (input_.Byte() % 2 == 0) {
      RequestRemembered& request = *change.mutable_request_remembered();
      request.set_key(input_.Text("queues/default\nr1"));
      request.set_outcome(input_.Text(known.name));
      request.set_time(Time());
      return;
    }
    PartDropped& dropped = *change.mutable_part_dropped();
    dropped.set_part(input_.Number<uint64_t>(0));
    dropped.set_next_order(input_.Number(next_order_));
    dropped.set_next_position(input_.Number(next_position_));
    dropped.set_next_lease_token(input_.Number(next_token_));
    dropped.set_next_queue_revision(input_.Number(next_revision_));
    if (input_.Flag(script_version_ > 0)) {
      (*dropped.mutable_last_script_versions())[input_.Text("scripts/s")] = input_.Number(script_version_);
    }
    dropped.set_last_forgotten_version(input_.Number<int64_t>(0));
  }

  Input input_;
  std::vector<MadeChange> all_;
  std::vector<Known> tasks_;
  std::string body_;
  uint64_t next_order_ = 1;
  uint64_t next_position_ = 1;
  uint64_t next_token_ = 1;
  uint64_t next_revision_ = 1;
  int64_t script_version_ = 0;
};

}  // namespace

std::vector<MadeChange> MakeChanges(absl::string_view input) { return Changes(input).All(); }

}  // namespace errand::store
