#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/store/conformance/store_fixture.h"

namespace errand::store {
namespace {

using ::testing::HasSubstr;

TEST_P(StoreConformance, AScriptIsKeptWithItsSourceAndItsVersionsCountUp) {
  StoreFixture fixture(GetParam());
  EXPECT_EQ(fixture.PutScript("scripts/a", "return 1")->version(), 1);
  fixture.Advance(absl::Seconds(5));
  EXPECT_EQ(fixture.PutScript("scripts/a", "return 2")->version(), 2);
  EXPECT_EQ(fixture.PutScript("scripts/b", "return 3")->version(), 1);
  const auto script = fixture.GetScript("scripts/a");
  ASSERT_TRUE(script.ok()) << script.status();
  EXPECT_EQ(script->name(), "scripts/a");
  EXPECT_EQ(script->version(), 2);
  EXPECT_EQ(script->source(), "return 2");
  EXPECT_EQ(task::FromProto(script->create_time()), fixture.now());
  EXPECT_TRUE(absl::IsNotFound(fixture.GetScript("scripts/c").status()));
  EXPECT_TRUE(absl::IsNotFound(fixture.GetScript("scripts/a", 1).status())) << "no task refers to it";
}

TEST_P(StoreConformance, ATaskRunsTheVersionCurrentWhenItWasSubmitted) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.PutScript("scripts/a", "return 1").ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Scripted("t", "scripts/a")).ok());
  ASSERT_TRUE(fixture.PutScript("scripts/a", "return 2").ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Scripted("u", "scripts/a")).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("v")).ok());
  const auto claimed = fixture.Claim(3);
  ASSERT_EQ(claimed.size(), 3u);
  EXPECT_EQ(claimed[0].script->source, "return 1");
  EXPECT_EQ(claimed[0].script->name, "scripts/a");
  EXPECT_EQ(claimed[0].script->version, 1);
  EXPECT_EQ(claimed[0].task->lua().script(), "scripts/a");
  EXPECT_EQ(claimed[1].script->source, "return 2");
  EXPECT_EQ(claimed[2].script, nullptr);
  EXPECT_EQ(fixture.Get("t")->lua().script_version(), 1);
  EXPECT_EQ(fixture.Get("u")->lua().script_version(), 2);
}

TEST_P(StoreConformance, TasksShareOneCopyOfTheirScriptsSource) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.PutScript("scripts/a", "return 1").ok());
  for (const char* id : {"t", "u"}) ASSERT_TRUE(fixture.Submit(StoreFixture::Scripted(id, "scripts/a")).ok());
  const auto claimed = fixture.Claim(2);
  ASSERT_EQ(claimed.size(), 2u);
  EXPECT_EQ(claimed[0].script, claimed[1].script);
}

TEST_P(StoreConformance, ATaskWithoutItsScriptIsRefusedAndMakesNoQueue) {
  StoreFixture fixture(GetParam());
  const absl::Status status = fixture.Submit(StoreFixture::Scripted("t", "scripts/a", "queues/q")).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("task.lua.script: there is no script 'scripts/a'"));
  EXPECT_TRUE(absl::IsNotFound(fixture.GetQueue("queues/q").status()));
  std::vector<Wanted> batch;
  batch.push_back(StoreFixture::Lua("t"));
  batch.push_back(StoreFixture::Scripted("u", "scripts/a"));
  const auto results = fixture.Submit(batch, SubmitMode::kAllOrNone);
  EXPECT_TRUE(absl::IsCancelled(results[0].status()));
  EXPECT_TRUE(absl::IsNotFound(results[1].status()));
}

TEST_P(StoreConformance, ADeletedScriptLivesOnInItsTasksUntilTheLastIsForgotten) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.PutScript("scripts/a", "return 1").ok());
  for (const char* id : {"t", "u"}) ASSERT_TRUE(fixture.Submit(StoreFixture::Scripted(id, "scripts/a")).ok());
  ASSERT_TRUE(fixture.DeleteScript("scripts/a").ok());
  EXPECT_TRUE(absl::IsNotFound(fixture.DeleteScript("scripts/a")));
  EXPECT_TRUE(absl::IsNotFound(fixture.GetScript("scripts/a").status()));
  EXPECT_TRUE(absl::IsNotFound(fixture.Submit(StoreFixture::Scripted("v", "scripts/a")).status()));
  EXPECT_EQ(fixture.RunOne(Verdict::kFailed), "t");
  EXPECT_EQ(fixture.RunOne(), "u");
  // One that has ended may run again.
  ASSERT_TRUE(fixture.Delete("u").ok());
  EXPECT_EQ(fixture.GetScript("scripts/a", 1)->source(), "return 1");
  ASSERT_TRUE(fixture.Retry("t").ok());
  const auto claimed = fixture.Claim();
  ASSERT_EQ(claimed.size(), 1u);
  EXPECT_EQ(claimed[0].script->source, "return 1");
  ASSERT_TRUE(fixture.Finish(claimed[0].lease, Verdict::kSucceeded).ok());
  ASSERT_TRUE(fixture.Delete("t").ok());
  EXPECT_TRUE(absl::IsNotFound(fixture.GetScript("scripts/a", 1).status()));
}

TEST_P(StoreConformance, AScriptThatIsCreatedAgainGoesOnCounting) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.PutScript("scripts/a", "return 1").ok());
  ASSERT_TRUE(fixture.PutScript("scripts/a", "return 2").ok());
  ASSERT_TRUE(fixture.DeleteScript("scripts/a").ok());
  EXPECT_EQ(fixture.PutScript("scripts/a", "return 3")->version(), 3);
}

TEST_P(StoreConformance, AVersionIsNeverUsedAgainHoweverManyNamesWereDeleted) {
  StoreOptions options;
  options.max_scripts = 2;
  StoreFixture fixture(GetParam(), options);
  std::map<std::string, int64_t> latest;
  for (int i = 0; i < 50; ++i) {
    const std::string name = absl::StrCat("scripts/s", i * 7 % 10);
    const auto script = fixture.PutScript(name, "return 1");
    ASSERT_TRUE(script.ok()) << script.status();
    EXPECT_GT(script->version(), latest[name]);
    latest[name] = script->version();
    ASSERT_TRUE(fixture.DeleteScript(name).ok());
  }
}

TEST_P(StoreConformance, ScriptsAreListedByNameWithoutTheirSources) {
  StoreFixture fixture(GetParam());
  for (const char* name : {"scripts/c", "scripts/a", "scripts/b"}) {
    ASSERT_TRUE(fixture.PutScript(name, "return 1").ok());
  }
  const ScriptPage first = *fixture.ListScripts({"", 2});
  ASSERT_EQ(first.scripts.size(), 2u);
  EXPECT_TRUE(first.more);
  EXPECT_EQ(first.scripts[0].name(), "scripts/a");
  EXPECT_EQ(first.scripts[0].version(), 1);
  EXPECT_TRUE(first.scripts[0].has_create_time());
  EXPECT_EQ(first.scripts[0].source(), "");
  const ScriptPage last = *fixture.ListScripts({"scripts/b", 2});
  ASSERT_EQ(last.scripts.size(), 1u);
  EXPECT_FALSE(last.more);
  EXPECT_EQ(last.scripts[0].name(), "scripts/c");
}

TEST_P(StoreConformance, ScriptsAreBoundedInNumber) {
  StoreOptions options;
  options.max_scripts = 1;
  StoreFixture fixture(GetParam(), options);
  ASSERT_TRUE(fixture.PutScript("scripts/a", "return 1").ok());
  const absl::Status full = fixture.PutScript("scripts/b", "return 1").status();
  EXPECT_TRUE(absl::IsResourceExhausted(full));
  EXPECT_TRUE(full.GetPayload("type.googleapis.com/google.rpc.QuotaFailure").has_value());
  EXPECT_TRUE(fixture.PutScript("scripts/a", "return 2").ok()) << "a new version takes no place";
  ASSERT_TRUE(fixture.DeleteScript("scripts/a").ok());
  EXPECT_TRUE(fixture.PutScript("scripts/b", "return 1").ok());
}

TEST_P(StoreConformance, BytesOfScriptsAreBoundedThoseThatTasksReferToAmongThem) {
  StoreOptions options;
  options.max_script_bytes = 250'000;
  StoreFixture fixture(GetParam(), options);
  const std::string source(100'000, ' ');
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(fixture.PutScript("scripts/a", source).ok()) << "what it replaces makes room";
  }
  ASSERT_TRUE(fixture.Submit(StoreFixture::Scripted("t", "scripts/a")).ok());
  ASSERT_TRUE(fixture.PutScript("scripts/a", source).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Scripted("u", "scripts/a")).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(fixture.PutScript("scripts/a", source).status()));
  ASSERT_TRUE(fixture.Cancel("t").ok());
  ASSERT_TRUE(fixture.Delete("t").ok());
  EXPECT_TRUE(fixture.PutScript("scripts/a", source).ok());
}

TEST_P(StoreConformance, ManySmallVersionsAreBoundedToo) {
  StoreOptions options;
  options.max_script_bytes = 10'000;
  StoreFixture fixture(GetParam(), options);
  absl::Status status;
  for (int i = 0; i < 10'000 && status.ok(); ++i) {
    status = fixture.PutScript("scripts/a", "x").status();
    if (status.ok())
      status = fixture.Submit(StoreFixture::Scripted(absl::StrCat("t", i), "scripts/a")).status();
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
}

TEST_P(StoreConformance, ARepeatedRequestRegistersAScriptOnce) {
  StoreFixture fixture(GetParam());
  EXPECT_EQ(fixture.PutScript("scripts/a", "return 1", "r")->version(), 1);
  EXPECT_EQ(fixture.PutScript("scripts/a", "return 1", "r")->version(), 1);
  EXPECT_EQ(fixture.PutScript("scripts/b", "return 1", "r")->version(), 1) << "another script's request";
  EXPECT_EQ(fixture.PutScript("scripts/a", "return 2")->version(), 2);
  EXPECT_TRUE(absl::IsAlreadyExists(fixture.PutScript("scripts/a", "return 1", "r").status()));
  fixture.Advance(absl::Minutes(11));
  EXPECT_EQ(fixture.PutScript("scripts/a", "return 1", "r")->version(), 3);
}

TEST_P(StoreConformance, AScriptThatIsOnlyValidatedIsNotRegistered) {
  StoreFixture fixture(GetParam());
  const auto script = fixture.PutScript("scripts/a", "return 1", "r", /*validate_only=*/true);
  ASSERT_TRUE(script.ok()) << script.status();
  EXPECT_EQ(script->version(), 1);
  EXPECT_EQ(script->source(), "return 1");
  EXPECT_TRUE(absl::IsNotFound(fixture.GetScript("scripts/a").status()));
  EXPECT_EQ(fixture.PutScript("scripts/a", "return 2", "r")->source(), "return 2");
}

TEST_P(StoreConformance, AClosedStoreRefusesScripts) {
  StoreFixture fixture(GetParam());
  fixture.store().Close();
  EXPECT_TRUE(absl::IsUnavailable(fixture.PutScript("scripts/a", "return 1").status()));
  EXPECT_TRUE(absl::IsUnavailable(fixture.GetScript("scripts/a").status()));
  EXPECT_TRUE(absl::IsUnavailable(fixture.ListScripts({}).status()));
  EXPECT_TRUE(absl::IsUnavailable(fixture.DeleteScript("scripts/a")));
}

}  // namespace
}  // namespace errand::store
