// The `json` library, and results, which are written with it.

#include "tests/handlers/lua/lua_runner.h"

namespace errand::handlers {
namespace {

using testing::HasSubstr;

class JsonTest : public LuaTest {
 protected:
  // Decodes the payload and encodes it again.
  std::string RoundTrip(const std::string& json) {
    return Result("return json.encode(json.decode(task.payload))",
                  [&](v1::Task& task) { task.mutable_lua()->set_text(json); });
  }
  std::string DecodeError(const std::string& json) {
    return Result("return select(2, pcall(json.decode, task.payload))",
                  [&](v1::Task& task) { task.mutable_lua()->set_data(json); });
  }
};

TEST_F(JsonTest, ValuesSurviveARoundTrip) {
  for (const char* json : {"null", "true", "false", "0", "-1", "9223372036854775807", "-9223372036854775808",
                           "1.5", "1.0", "0.1", R"("text")", R"("é\n\"\\\u0000")", "[]", "{}", "[[],{}]",
                           R"([1,"a",null,true,[2.5]])", R"({"a":{"b":[{}]}})"}) {
    EXPECT_EQ(RoundTrip(json), json);
  }
  EXPECT_EQ(RoundTrip(" [ 1 , 2 ] "), "[1,2]");
  EXPECT_EQ(RoundTrip(R"("\u00e9\ud83d\ude00")"), "\"é😀\"");
}

TEST_F(JsonTest, NumbersAreIntegersWhereTheyFit) {
  EXPECT_EQ(Result("return math.type(json.decode('12')) .. math.type(json.decode('12.0')) .. "
                   "math.type(json.decode('18446744073709551615'))"),
            "integerfloatfloat");
}

TEST_F(JsonTest, ArraysAndObjectsAreToldApart) {
  EXPECT_EQ(Result("return json.encode({json.array(), {}, json.array({1}), {1}, {a = 1}})"),
            R"([[],{},[1],[1],{"a":1}])");
  EXPECT_EQ(Result("local t = json.decode('[1]') t[1] = nil return t"), "[]");
}

TEST_F(JsonTest, NullIsAValue) {
  EXPECT_EQ(Result("local v = json.decode('[null]') return v[1] == json.null and #v == 1"), "true");
  EXPECT_EQ(Result("return {json.null}"), "[null]");
}

TEST_F(JsonTest, WhatCannotBeWrittenIsNamed) {
  EXPECT_THAT(Error("json.encode({a = {1, function() end}})"), HasSubstr("json.encode: .a[2]: a function"));
  EXPECT_THAT(Error("json.encode({1, 2, x = 3})"), HasSubstr("an array with keys other than 1 to 2"));
  EXPECT_THAT(Error("json.encode({[5] = 1})"), HasSubstr("a key that is not a string"));
  EXPECT_THAT(Error("json.encode(1/0)"), HasSubstr("a number that is not finite"));
  EXPECT_THAT(Error("json.encode('\\xff')"), HasSubstr("a string that is not UTF-8"));
  EXPECT_THAT(Error("local t = {} t[1] = t json.encode(t)"), HasSubstr("nested more than 128 levels"));
}

TEST_F(JsonTest, BadTextIsRefusedWithItsPlace) {
  EXPECT_THAT(DecodeError("[1,\n 2,]"), HasSubstr("json.decode: Invalid value at line 2, column 4"));
  for (const char* bad : {"",
                          " ",
                          "[",
                          "{",
                          "[1",
                          "{\"a\"}",
                          "{\"a\":}",
                          "{a:1}",
                          "nul",
                          "01",
                          "1.",
                          "+1",
                          "'x'",
                          "\"\\x\"",
                          "\"\n\"",
                          "\"\xFF\"",
                          "\"\\ud800\"",
                          "\"\\udc00\"",
                          "{\"\\udc00\":1}",
                          "1 2",
                          "[1]]",
                          "1e999"}) {
    EXPECT_THAT(DecodeError(bad), HasSubstr("json.decode: ")) << bad;
  }
}

TEST_F(JsonTest, DepthIsBounded) {
  EXPECT_EQ(RoundTrip(std::string(128, '[') + std::string(128, ']')).size(), 256u);
  EXPECT_THAT(DecodeError(std::string(129, '[')), HasSubstr("nested more than 128 levels"));
  EXPECT_THAT(DecodeError(std::string(1'000'000, '[')), HasSubstr("nested more than 128 levels"));
}

TEST_F(JsonTest, TextThatExplodesEndsTheAttempt) {
  const auto run = Run("local t = {'0123456789'} for i = 1, 60 do t = {t, t} end return json.encode(t)",
                       [](v1::Task& task) { task.mutable_limits()->set_memory_bytes(2 << 20); });
  EXPECT_EQ(Reason(run->Wait().status), "MEMORY_EXCEEDED");
}

}  // namespace
}  // namespace errand::handlers
