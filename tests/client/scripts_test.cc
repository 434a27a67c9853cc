#include "errand/scripts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "errand/channel.h"
#include "tests/client/fake_server.h"
#include "tests/client/quick_retries.h"

namespace errand {
namespace {

using ::testing::ElementsAre;

class ScriptsTest : public ::testing::Test {
 protected:
  FakeServer fake_;
  const Scripts scripts_{Dial(fake_.address()), QuickRetries()};
};

TEST_F(ScriptsTest, CreateIsRepeatedUnderOneRequestId) {
  std::vector<std::string> ids;
  fake_.create_script = [&](auto&, const v1::CreateScriptRequest& request,
                            v1::CreateScriptResponse& response) {
    ids.push_back(request.request_id());
    if (ids.size() == 1) return Unavailable();
    response.mutable_script()->set_name("scripts/" + request.script_id());
    response.mutable_script()->set_version(4);
    return grpc::Status::OK;
  };
  v1::CreateScriptRequest request;
  request.set_script_id("s");
  request.mutable_script()->set_source("return 1");
  const absl::StatusOr<v1::Script> script = scripts_.Create(request);
  ASSERT_TRUE(script.ok()) << script.status();
  EXPECT_EQ(script->name(), "scripts/s");
  EXPECT_EQ(script->version(), 4);
  ASSERT_EQ(ids.size(), 2u);
  EXPECT_FALSE(ids[0].empty());
  EXPECT_EQ(ids[0], ids[1]);
  request.set_request_id("mine");
  EXPECT_TRUE(scripts_.Create(request).ok());
  EXPECT_EQ(ids.back(), "mine");
}

TEST_F(ScriptsTest, ListGoesThroughAllPages) {
  std::vector<std::string> tokens;
  fake_.list_scripts = [&](auto&, const v1::ListScriptsRequest& request, v1::ListScriptsResponse& response) {
    tokens.push_back(request.page_token());
    const bool first = request.page_token().empty();
    response.add_scripts()->set_name(first ? "scripts/a" : "scripts/b");
    if (first) response.set_next_page_token("next");
    return grpc::Status::OK;
  };
  std::vector<std::string> names;
  const absl::Status status = scripts_.List([&](const v1::Script& script) {
    names.push_back(script.name());
    return true;
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(names, ElementsAre("scripts/a", "scripts/b"));
  EXPECT_THAT(tokens, ElementsAre("", "next"));
  EXPECT_EQ(scripts_.ListPage({})->next_page_token(), "next");
}

TEST_F(ScriptsTest, ADeleteWhoseAnswerWasLostCountsAsDone) {
  int calls = 0;
  fake_.delete_script = [&](auto&, const v1::DeleteScriptRequest& request, v1::DeleteScriptResponse&) {
    return ++calls == 1 ? grpc::Status::CANCELLED : NotFound(request.name());
  };
  EXPECT_TRUE(scripts_.Delete("scripts/s").ok());
  EXPECT_TRUE(absl::IsNotFound(scripts_.Delete("scripts/s")));
}

TEST_F(ScriptsTest, GetAndValidateAnswer) {
  fake_.get_script = [](auto&, const v1::GetScriptRequest& request, v1::GetScriptResponse& response) {
    response.mutable_script()->set_name(request.name());
    response.mutable_script()->set_version(request.version() == 0 ? 9 : request.version());
    return grpc::Status::OK;
  };
  fake_.validate_script = [](auto&, const v1::ValidateScriptRequest& request,
                             v1::ValidateScriptResponse& response) {
    response.add_problems()->set_message(request.source());
    return grpc::Status::OK;
  };
  EXPECT_EQ(scripts_.Get("scripts/s")->version(), 9);
  EXPECT_EQ(scripts_.Get("scripts/s", 3)->version(), 3);
  EXPECT_EQ(scripts_.Validate("return (")->problems(0).message(), "return (");
}

}  // namespace
}  // namespace errand
