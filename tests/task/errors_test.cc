#include "server/task/errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "google/rpc/error_details.pb.h"

namespace errand::task {
namespace {

TEST(Errors, AnInvalidFieldIsNamedInMessageAndDetails) {
  const google::rpc::Status status = ToProto(InvalidField("task.lua.source", "must not be empty"));
  EXPECT_EQ(status.code(), 3);
  EXPECT_EQ(status.message(), "task.lua.source: must not be empty");
  google::rpc::BadRequest bad;
  google::rpc::ErrorInfo info;
  for (const auto& detail : status.details()) {
    detail.UnpackTo(&bad);
    detail.UnpackTo(&info);
  }
  EXPECT_EQ(bad.field_violations(0).field(), "task.lua.source");
  EXPECT_EQ(bad.field_violations(0).description(), "must not be empty");
  EXPECT_EQ(info.domain(), "errand.dev");
  EXPECT_EQ(info.reason(), "INVALID_FIELD");
}

TEST(Errors, ARetryDelayIsKept) {
  const google::rpc::Status status = ToProto(QueueFull("queues/q", "is full", absl::Milliseconds(1500)));
  google::rpc::RetryInfo retry;
  for (const auto& detail : status.details()) detail.UnpackTo(&retry);
  EXPECT_EQ(retry.retry_delay().seconds(), 1);
  EXPECT_EQ(retry.retry_delay().nanos(), 500'000'000);
}

TEST(Errors, AnErrorInAPartOfARequestNamesThePartEverywhere) {
  const google::rpc::Status status = ToProto(At("requests[3]", InvalidField("task.lua.source", "is empty")));
  EXPECT_EQ(status.code(), 3);
  EXPECT_EQ(status.message(), "requests[3].task.lua.source: is empty");
  ASSERT_EQ(status.details_size(), 2);
  google::rpc::BadRequest bad;
  google::rpc::ErrorInfo info;
  for (const auto& detail : status.details()) {
    detail.UnpackTo(&bad);
    detail.UnpackTo(&info);
  }
  EXPECT_EQ(bad.field_violations(0).field(), "requests[3].task.lua.source");
  EXPECT_EQ(info.metadata().at("field"), "requests[3].task.lua.source");
  EXPECT_EQ(info.reason(), "INVALID_FIELD");
}

TEST(Errors, AnErrorThatIsAboutNoFieldKeepsItsDetails) {
  const absl::Status full = QueueFull("queues/q", "it holds 5 tasks", absl::Seconds(2));
  const google::rpc::Status status = ToProto(At("requests[3]", full));
  EXPECT_EQ(status.code(), 8);
  EXPECT_EQ(status.message(), "requests[3]: queues/q is full: it holds 5 tasks");
  EXPECT_EQ(status.details_size(), ToProto(full).details_size());
  EXPECT_TRUE(At("requests[3]", absl::OkStatus()).ok());
}

TEST(Errors, OkHasNoDetails) { EXPECT_EQ(ToProto(absl::OkStatus()).ByteSizeLong(), 0u); }

}  // namespace
}  // namespace errand::task
