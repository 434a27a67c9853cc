#include "absl/strings/str_cat.h"
#include "server/handlers/lua/shared_values.h"
#include "tests/handlers/lua/lua_runner.h"

namespace errand::handlers {
namespace {

using testing::HasSubstr;

using SharedTest = LuaTest;

TEST_F(SharedTest, ValuesArriveAsTheyWereSet) {
  UseHandler(2, 0);
  EXPECT_EQ(Result(R"(
      shared.set('text', 'a\0b')
      shared.set('integer', 7)
      shared.set('float', 1.5)
      shared.set('flag', false)
      shared.set('table', {1, {x = 'y'}})
      return shared.get('nothing') == nil)"),
            "true");
  EXPECT_EQ(Result(R"(
      assert(shared.get('text') == 'a\0b' and shared.get('float') == 1.5 and shared.get('flag') == false)
      assert(math.type(shared.get('integer')) == 'integer')
      return shared.get('table'))"),
            R"([1,{"x":"y"}])");
}

TEST_F(SharedTest, NilForgetsAndAddKeepsWhatIsThere) {
  EXPECT_EQ(Result(R"(
      assert(shared.add('k', 1) and not shared.add('k', 2) and shared.get('k') == 1)
      shared.set('k', nil)
      assert(shared.get('k') == nil and shared.add('k', 3))
      return shared.get('k'))"),
            "3");
}

TEST_F(SharedTest, ManyAttemptsCountTogether) {
  UseHandler(2, 0);
  std::vector<std::shared_ptr<Recording>> runs;
  for (int i = 0; i < 50; ++i) runs.push_back(Start("for i = 1, 20 do shared.incr('n') end"));
  for (const auto& run : runs) EXPECT_TRUE(run->Wait().status.ok()) << run->Wait().status;
  EXPECT_EQ(Result("return shared.incr('n', 0)"), "1000");
  EXPECT_EQ(Result("return shared.incr('down', -5)"), "-5");
}

TEST_F(SharedTest, QueuesDoNotSeeEachOther) {
  Result("shared.set('k', 'mine')", [](v1::Task& task) { task.set_name("queues/one/tasks/a"); });
  EXPECT_EQ(
      Result("return shared.get('k') == nil", [](v1::Task& task) { task.set_name("queues/two/tasks/a"); }),
      "true");
  EXPECT_EQ(Result("return shared.get('k')", [](v1::Task& task) { task.set_name("queues/one/tasks/b"); }),
            "mine");
}

TEST_F(SharedTest, WorksInACallbackOfC) {
  EXPECT_EQ(Result("return (('abc'):gsub('.', function(c) return shared.incr(c) end))"), "111");
}

TEST_F(SharedTest, BadArgumentsAreNamed) {
  EXPECT_THAT(Error("shared.get('')"), HasSubstr("shared.get: a key has 1 to 256 bytes, not 0"));
  EXPECT_THAT(Error("shared.get()"), HasSubstr("bad argument #1 to 'get'"));
  EXPECT_THAT(Error("shared.set('k', 1, 0)"),
              HasSubstr("bad argument #3 to 'set' (must be more than 0 seconds"));
  EXPECT_THAT(Error("shared.set('k', print)"), HasSubstr("shared.set: a function"));
  EXPECT_THAT(Error("shared.add('k', nil)"), HasSubstr("bad argument #2 to 'add' (must not be nil)"));
  EXPECT_THAT(Error("shared.set('k', ('x'):rep(70000))"), HasSubstr("a value has at most 65536 bytes"));
  EXPECT_THAT(Error("shared.set('k', 'text') shared.incr('k')"),
              HasSubstr("shared.incr: 'k' is not an integer"));
  EXPECT_THAT(Error("shared.set('k', math.maxinteger) shared.incr('k')"),
              HasSubstr("too large for an integer"));
}

TEST(SharedValues, ValuesEndWithTheirTime) {
  SharedValues values(size_t{64} << 20);
  const clock::Instant start = clock::Instant();
  ASSERT_TRUE(values.Set("q", "k", "jv", start + absl::Seconds(1), start).ok());
  EXPECT_EQ(values.Get("q", "k", start), "jv");
  EXPECT_EQ(values.Get("q", "k", start + absl::Seconds(1)), "");
  EXPECT_EQ(values.bytes("q"), 0u);
  ASSERT_TRUE(values.Increment("q", "n", 1, start + absl::Seconds(2), start).ok());
  // The time is that of the first.
  ASSERT_TRUE(values.Increment("q", "n", 1, start + absl::Seconds(9), start + absl::Seconds(1)).ok());
  EXPECT_EQ(values.Get("q", "n", start + absl::Seconds(2)), "");
}

TEST(SharedValues, WhatWasNotUsedForLongestMakesRoom) {
  SharedValues values(size_t{64} << 20);
  const clock::Instant now = clock::Instant();
  const std::string large(SharedValues::kMaxValueBytes, 'x');
  ASSERT_TRUE(values.Set("q", "kept", "jv", clock::Instant::InfiniteFuture(), now).ok());
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(values.Set("q", absl::StrCat(i), large, clock::Instant::InfiniteFuture(), now).ok());
    EXPECT_EQ(values.Get("q", "kept", now), "jv");
    EXPECT_LE(values.bytes("q"), SharedValues::kMaxQueueBytes);
  }
  EXPECT_EQ(values.Get("q", "0", now), "");
  EXPECT_EQ(values.Get("q", "999", now), large);
}

TEST(SharedValues, QueuesAreBounded) {
  SharedValues values(size_t{64} << 20);
  for (size_t i = 0; i < SharedValues::kMaxQueues + 10; ++i) {
    const clock::Instant now = clock::Instant() + absl::Seconds(i);
    ASSERT_TRUE(values.Set(absl::StrCat("q", i), "k", "jv", clock::Instant::InfiniteFuture(), now).ok());
  }
  EXPECT_EQ(values.bytes("q0"), 0u);
  EXPECT_GT(values.bytes(absl::StrCat("q", SharedValues::kMaxQueues)), 0u);
}

TEST(SharedValues, AllQueuesTogetherAreBoundedAndTheLargestMakesRoom) {
  constexpr size_t kMaxBytes = 4 << 20;
  SharedValues values(kMaxBytes);
  const clock::Instant now = clock::Instant();
  const std::string large(SharedValues::kMaxValueBytes, 'x');
  ASSERT_TRUE(values.Set("small", "k", "jv", clock::Instant::InfiniteFuture(), now).ok());
  for (int i = 0; i < 500; ++i) {
    const std::string queue = absl::StrCat("q", i % 5);
    ASSERT_TRUE(values.Set(queue, absl::StrCat(i), large, clock::Instant::InfiniteFuture(), now).ok());
    EXPECT_LE(values.bytes(), kMaxBytes);
    EXPECT_EQ(values.Get(queue, absl::StrCat(i), now), large);
  }
  EXPECT_EQ(values.Get("small", "k", now), "jv");
  EXPECT_GT(values.bytes("q0"), kMaxBytes / 10);
}

}  // namespace
}  // namespace errand::handlers
