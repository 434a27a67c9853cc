#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>

#include "absl/strings/numbers.h"
#include "server/store/memory/changes.pb.h"
#include "server/store/memory/rehearsal.h"
#include "tests/store/log/thinning.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace errand::store {
namespace {

TEST(Recovery, ChangesThatNoStoreWroteAreRefusedOrMakeOneThatWorks) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 300 / kThinning; ++i) {
    std::string bytes(random() % 2000, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    // Every second time all fits together.
    if (i % 2 == 0 && !bytes.empty()) bytes[0] = static_cast<char>(i % 8 == 0 ? 1 : 0);
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  }
}

// Where most of a history is wrong it is refused early. This one is wrong in one place, which is any.
// ERRAND_WRONG_CHANGES: how many of them; by hand, tens of thousands.
TEST(Recovery, OneChangeThatNoStoreMakesIsRefusedOrMakesAStoreThatWorks) {
  int wanted = 300 / kThinning;
  if (const char* asked = std::getenv("ERRAND_WRONG_CHANGES")) (void)absl::SimpleAtoi(asked, &wanted);
  std::mt19937_64 random(12);
  for (int i = 0; i < wanted; ++i) {
    // Hostility 1: what byte 255 decides is wrong, in the way that the next byte says.
    std::string bytes(1 + random() % 500, '\1');
    for (size_t j = 1; j < bytes.size(); ++j) bytes[j] = static_cast<char>(random() % 255);
    const std::string wrong = {'\xff', static_cast<char>(random())};
    bytes.insert(1 + random() % bytes.size(), wrong);
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  }
}

absl::Status Apply(const Change& change) {
  return Rehearsal(/*parts_missing=*/false).Apply(1, change.SerializeAsString(), 1);
}

Change Added() {
  Change change;
  TaskAdded& added = *change.mutable_task_added();
  added.set_order(1);
  added.set_name("queues/default/tasks/t");
  added.set_body_bytes(1);
  added.mutable_first()->set_state(v1::TASK_STATE_QUEUED);
  added.mutable_first()->set_revision(1);
  return change;
}

// A store takes a task's first revision for one that is being added, and does not say its state.
TEST(Recovery, ATaskBeforeItsFirstRevisionIsRefused) {
  Change change = Added();
  EXPECT_TRUE(Apply(change).ok()) << Apply(change);
  change.mutable_task_added()->mutable_first()->clear_revision();
  EXPECT_TRUE(absl::IsDataLoss(Apply(change))) << Apply(change);
}

// Who watches it from its latest event on would be told that there is none, or wait for what has been.
TEST(Recovery, ATaskWhoseLatestEventIsNotSaidIsRefused) {
  Change change = Added();
  TaskAdded& added = *change.mutable_task_added();
  added.set_again(true);
  added.mutable_first()->set_state(v1::TASK_STATE_CANCELLED);
  TaskPast& past = *added.mutable_past();
  PastEvent& event = *past.add_events();
  event.set_state(v1::TASK_STATE_CANCELLED);
  past.set_next_sequence(8);
  EXPECT_TRUE(Apply(change).ok()) << Apply(change);
  past.clear_events();
  EXPECT_TRUE(absl::IsDataLoss(Apply(change))) << Apply(change);
}

// The first of them would have a sequence that there is not.
TEST(Recovery, ATaskWithMoreEventsThanItHasHadIsRefused) {
  Change change = Added();
  TaskAdded& added = *change.mutable_task_added();
  added.set_again(true);
  TaskPast& past = *added.mutable_past();
  past.add_events()->set_state(v1::TASK_STATE_SCHEDULED);
  past.add_events()->set_state(v1::TASK_STATE_QUEUED);
  past.set_next_sequence(3);
  EXPECT_TRUE(Apply(change).ok()) << Apply(change);
  for (const int64_t next : {int64_t{2}, int64_t{0}, int64_t{-1}, INT64_MIN, INT64_MAX}) {
    past.set_next_sequence(next);
    EXPECT_TRUE(absl::IsDataLoss(Apply(change))) << next << ": " << Apply(change);
  }
}

}  // namespace
}  // namespace errand::store
