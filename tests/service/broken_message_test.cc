#include "server/service/broken_message.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "errand/v1/tasks.pb.h"
#include "google/rpc/error_details.pb.h"
#include "server/task/errors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace errand::service {
namespace {

std::vector<std::string> FieldsOf(const absl::Status& status) {
  std::vector<std::string> fields;
  google::rpc::BadRequest bad;
  const google::rpc::Status proto = task::ToProto(status);
  for (const auto& detail : proto.details()) detail.UnpackTo(&bad);
  for (const auto& violation : bad.field_violations()) fields.push_back(violation.field());
  return fields;
}

absl::Status Explain(const google::protobuf::Message& message) {
  return ExplainBroken(*message.GetDescriptor(), message.SerializePartialAsString());
}

TEST(BrokenMessage, EveryBadTextIsNamedWithItsPlace) {
  v1::BatchCreateTasksRequest batch;
  batch.add_requests()->mutable_task()->mutable_lua()->set_source("return 1");
  batch.add_requests()->mutable_task()->mutable_email()->add_to("good");
  batch.mutable_requests(1)->mutable_task()->mutable_email()->add_to("\xff");
  batch.mutable_requests(1)->set_task_id("\xc0\xaf");
  (*batch.add_requests()->mutable_task()->mutable_labels())["k"] = "\xed\xa0\x80";
  EXPECT_EQ(FieldsOf(Explain(batch)),
            (std::vector<std::string>{"requests[1].task.email.to[1]", "requests[1].task_id",
                                      "requests[2].task.labels[\"k\"]"}));
}

TEST(BrokenMessage, BytesMayHoldAnything) {
  v1::CreateTaskRequest request;
  request.mutable_task()->mutable_lua()->set_data("\xff");
  const absl::Status status = Explain(request);
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_TRUE(FieldsOf(status).empty()) << "there is nothing wrong with its text";
}

TEST(BrokenMessage, AnyBytesAreExplained) {
  std::mt19937 random(1);
  v1::CreateTaskRequest request;
  request.mutable_task()->mutable_email()->add_to("a@example.org");
  (*request.mutable_task()->mutable_labels())["key"] = "value";
  const std::string good = request.SerializeAsString();
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = good;
    for (int change = 0; change < 3; ++change) bytes[random() % bytes.size()] = static_cast<char>(random());
    bytes.resize(random() % (bytes.size() + 1));
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  }
}

TEST(BrokenMessage, NestingHasAnEnd) {
  // A Status in a Status in ... cannot be; but a client may send any depth of what is not known.
  std::string bytes = "\xff";
  for (int depth = 0; depth < 200; ++depth) {
    bytes =
        std::string("\x0a") + static_cast<char>(std::min<size_t>(bytes.size(), 127)) + bytes.substr(0, 127);
  }
  EXPECT_TRUE(absl::IsInvalidArgument(ExplainBroken(*v1::RunTaskRequest::descriptor(), bytes)));
}

}  // namespace
}  // namespace errand::service
