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

TEST(Errors, AThingThatIsNotThereNamesTheFieldThatNamesIt) {
  const absl::Status missing = NotFound("script", "scripts/s", "task.lua.script");
  EXPECT_TRUE(NamesField(missing));
  EXPECT_FALSE(NamesField(NotFound("queue", "queues/q")));
  const google::rpc::Status status = ToProto(At("requests[3]", missing));
  EXPECT_EQ(status.code(), 5);
  EXPECT_EQ(status.message(), "requests[3].task.lua.script: there is no script 'scripts/s'");
  google::rpc::ResourceInfo resource;
  google::rpc::ErrorInfo info;
  for (const auto& detail : status.details()) {
    detail.UnpackTo(&resource);
    detail.UnpackTo(&info);
  }
  EXPECT_EQ(resource.resource_type(), "errand.dev/script");
  EXPECT_EQ(resource.resource_name(), "scripts/s");
  EXPECT_EQ(info.reason(), "SCRIPT_NOT_FOUND");
  EXPECT_EQ(info.metadata().at("field"), "requests[3].task.lua.script");
}

TEST(Errors, WhatIsWrongWithASourceSaysWhere) {
  EXPECT_TRUE(InvalidSource("source", {}).ok());
  const google::rpc::Status status =
      ToProto(InvalidSource("script.source", {{3, 7, "unexpected symbol near 'x'"}, {0, 0, "too long"}}));
  EXPECT_EQ(status.code(), 3);
  EXPECT_EQ(status.message(), "script.source: line 3, column 7: unexpected symbol near 'x'");
  google::rpc::BadRequest bad;
  google::rpc::ErrorInfo info;
  for (const auto& detail : status.details()) {
    detail.UnpackTo(&bad);
    detail.UnpackTo(&info);
  }
  EXPECT_EQ(info.reason(), "LUA_SYNTAX_ERROR");
  EXPECT_EQ(info.metadata().at("line"), "3");
  EXPECT_EQ(info.metadata().at("column"), "7");
  EXPECT_EQ(info.metadata().at("message"), "unexpected symbol near 'x'");
  ASSERT_EQ(bad.field_violations_size(), 2);
  EXPECT_EQ(bad.field_violations(1).field(), "script.source");
  EXPECT_EQ(bad.field_violations(1).description(), "too long");
}

TEST(Errors, ViolationsAreGathered) {
  Violations found;
  EXPECT_TRUE(found.ok());
  EXPECT_TRUE(found.status().ok());
  found.Add(absl::OkStatus());
  EXPECT_TRUE(found.ok());
  found.Add(InvalidField("a", "must be set"));
  EXPECT_EQ(found.status(), InvalidField("a", "must be set"));
  found.Add(InvalidField("b", "must not be"));
  const google::rpc::Status proto = ToProto(found.status());
  EXPECT_EQ(proto.code(), static_cast<int>(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(proto.message(), "a: must be set (and 1 more)");
  google::rpc::BadRequest bad;
  for (const auto& detail : proto.details()) detail.UnpackTo(&bad);
  ASSERT_EQ(bad.field_violations_size(), 2);
  EXPECT_EQ(bad.field_violations(1).field(), "b");
  EXPECT_EQ(bad.field_violations(1).description(), "must not be");
}

TEST(Errors, ViolationsFitIntoTrailers) {
  Violations found;
  for (int i = 0; i < 10'000; ++i)
    found.Add(InvalidField(std::string(10'000, 'f'), std::string(10'000, 'p')));
  EXPECT_TRUE(found.full());
  EXPECT_LT(ToProto(found.status()).ByteSizeLong(), 4'000u);
  Violations small;
  for (int i = 0; i < 100; ++i) small.Add(InvalidField("f", "p"));
  google::rpc::BadRequest bad;
  const google::rpc::Status proto = ToProto(small.status());
  for (const auto& detail : proto.details()) detail.UnpackTo(&bad);
  EXPECT_EQ(static_cast<size_t>(bad.field_violations_size()), Violations::kMax);
  EXPECT_EQ(proto.message(), "f: p (and 99 more)");
}

TEST(Errors, OkHasNoDetails) { EXPECT_EQ(ToProto(absl::OkStatus()).ByteSizeLong(), 0u); }

}  // namespace
}  // namespace errand::task
