#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>

#include "server/store/memory/changes.pb.h"
#include "server/store/memory/rehearsal.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace errand::store {
namespace {

TEST(Recovery, ChangesThatNoStoreWroteAreRefusedOrMakeOneThatWorks) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 300; ++i) {
    std::string bytes(random() % 2000, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    // Every second time all fits together.
    if (i % 2 == 0 && !bytes.empty()) bytes[0] = static_cast<char>(i % 8 == 0 ? 1 : 0);
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  }
}

// A store takes a task's first revision for one that is being added, and does not say its state.
TEST(Recovery, ATaskBeforeItsFirstRevisionIsRefused) {
  Change change;
  TaskAdded& added = *change.mutable_task_added();
  added.set_order(1);
  added.set_name("queues/default/tasks/t");
  added.set_body_bytes(1);
  added.mutable_first()->set_state(v1::TASK_STATE_QUEUED);
  const auto apply = [&] {
    return Rehearsal(/*parts_missing=*/false).Apply(1, change.SerializeAsString(), 1);
  };
  EXPECT_TRUE(absl::IsDataLoss(apply())) << apply();
  added.mutable_first()->set_revision(1);
  EXPECT_TRUE(apply().ok()) << apply();
}

}  // namespace
}  // namespace errand::store
