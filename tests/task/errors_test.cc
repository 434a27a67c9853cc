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
  const google::rpc::Status status = ToProto(ShuttingDown(absl::Milliseconds(1500)));
  google::rpc::RetryInfo retry;
  for (const auto& detail : status.details()) detail.UnpackTo(&retry);
  EXPECT_EQ(retry.retry_delay().seconds(), 1);
  EXPECT_EQ(retry.retry_delay().nanos(), 500'000'000);
}

TEST(Errors, OkHasNoDetails) { EXPECT_EQ(ToProto(absl::OkStatus()).ByteSizeLong(), 0u); }

}  // namespace
}  // namespace errand::task
