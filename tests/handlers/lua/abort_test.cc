// Scripts that are stopped at any moment, and a script after each that must not notice.
//
// ERRAND_ABORTS is how many; by hand, 50000.

#include <cstdlib>
#include <random>

#include "absl/time/clock.h"
#include "tests/handlers/lua/lua_runner.h"

namespace errand::handlers {
namespace {

constexpr const char* kHostile[] = {
    "while true do local t = {} for i = 1, 50 do t[i] = {i, tostring(i)} end "
    "table.sort(t, function(a, b) return a[2] < b[2] end) end",
    "while true do local s = ('k=v;'):rep(200) for k, v in s:gmatch('(%w)=(%w)') do local x = k .. v end "
    "s = s:gsub('%w', string.upper) end",
    "while true do pcall(error, {}) local c = coroutine.wrap(function() "
    "coroutine.yield(('%10.3f %q %s'):format(1.5, 'x', {})) error('z') end) c() pcall(c) end",
    "while true do json.decode('{\"a\":[1,2.5,\"x\",{\"b\":null}]}') re.find(('a'):rep(1000), '(a+)+$') end",
    "while true do local t = {} for i = 1, 20000 do t[i] = ('x'):rep(i % 300) .. i end end",
    "while true do string.format('%99.99f', 1e308) tonumber('1e300') local x = 2 ^ 0.5 .. '' end",
    "while true do local l = {} for i = 1, 100 do l[i] = json.encode({a = i, c = ('s'):rep(500)}) end end",
    "while true do os.date('%c', os.time()) hash.sha256('x') base64.encode('xyz') end",
    "while true do string.rep = nil table.sort = 1 json.encode = {} _G.print = nil math.random = 0 end",
    "while true do print('x') task.progress(1) log.info('y') task.sleep(0) end",
    "while true do shared.set('k', {1}) shared.incr('n') shared.get('k') end",
    "local function f() local x <close> = setmetatable({}, {__close = function() f() end}) end pcall(f) "
    "while true do pcall(f) end",
    "local t = {} while true do t[#t + 1] = ('x'):rep(100000) end",
    "for i = 1, 1e9 do load('return ' .. i)() end",
};

constexpr char kCanary[] = R"(
    assert(('%d-%s'):format(7, 'x') == '7-x' and table.concat({1, 2}, ',') == '1,2' and ('ab'):rep(2) == 'abab')
    local t = {3, 1, 2}
    table.sort(t)
    assert(t[1] == 1 and t[3] == 3 and json.encode({1, {a = json.null}}) == '[1,{"a":null}]')
    assert(json.decode('[1,2,{"a":3}]')[3].a == 3 and re.find('aaa', '^a+$') == 1)
    assert(hash.sha256('') == 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
    assert(os.date('!%Y', 0) == '1970' and type(print) == 'function' and math.random() < 1)
    return coroutine.wrap(function(...) return select('#', ...) end)(1, 2, 3))";

TEST(Aborts, AtAnyMomentLeaveNothingBehind) {
  const char* const wanted = std::getenv("ERRAND_ABORTS");
  const int aborts = wanted == nullptr ? 1000 : std::atoi(wanted);

  struct Runner : LuaTest {
    using LuaTest::handler;
    using LuaTest::Run;
    using LuaTest::Start;
    using LuaTest::UseHandler;
    void TestBody() override {}
  } runner;
  runner.UseHandler(1, 1);
  std::mt19937 random(42);
  int wrong = 0;
  int stopped = 0;
  for (int i = 0; i < aborts; ++i) {
    const AttemptId id = static_cast<AttemptId>(1'000'000 + i);
    const auto hostile = runner.Start(kHostile[random() % std::size(kHostile)], {}, id);
    absl::SleepFor(absl::Microseconds(20 + random() % 1500));
    runner.handler().Stop(id);
    const auto canary = runner.Run(kCanary);
    stopped += Reason(hostile->Wait().status) == "CANCELLED" ? 1 : 0;
    if (canary->Wait().result.data() != "3") {
      ++wrong;
      ADD_FAILURE() << canary->Wait().status;
    }
  }
  EXPECT_EQ(wrong, 0);
  // Some end by themselves: of memory, of output.
  EXPECT_GT(stopped, aborts / 2);
}

}  // namespace
}  // namespace errand::handlers
