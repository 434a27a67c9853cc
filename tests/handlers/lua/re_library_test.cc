// The `re` library: regular expressions by RE2.

#include "absl/strings/str_cat.h"
#include "tests/handlers/lua/lua_runner.h"

namespace errand::handlers {
namespace {

using testing::HasSubstr;

class ReLibraryTest : public LuaTest {
 protected:
  // Calls a function of `re`; all it returns, as JSON.
  std::string Call(const std::string& call) {
    return Result(absl::StrCat("local t = table.pack(re.", call,
                               ") for i = 1, t.n do if t[i] == nil then t[i] = json.null end end "
                               "t.n = nil return json.array(t)"));
  }
  // What re.gmatch walks through, as JSON; several values of a step are joined.
  std::string Walk(const std::string& arguments) {
    return Result(
        absl::StrCat("local t = json.array() for a, b in re.gmatch(", arguments,
                     ") do t[#t + 1] = b == nil and a or tostring(a) .. '+' .. tostring(b) end return t"));
  }
};

TEST_F(ReLibraryTest, FindTellsThePlaceAndWhatTheGroupsCaptured) {
  EXPECT_EQ(Call("find('hello world', 'o w')"), "[5,7]");
  EXPECT_EQ(Call("find('key = value', '(\\\\w+) *= *(\\\\w+)')"), R"([1,11,"key","value"])");
  EXPECT_EQ(Call("find('abc', 'x')"), "[null]");
  EXPECT_EQ(Call("find('abc', '')"), "[1,0]");
  EXPECT_EQ(Call("find('', '')"), "[1,0]");
  EXPECT_EQ(Call("find(1234, 23)"), "[2,3]");
  // What took no part is false, so that the next one keeps its place.
  EXPECT_EQ(Call("find('b', '(a)?(b)()')"), R"([1,1,false,"b",""])");
}

TEST_F(ReLibraryTest, FindBeginsWhereItIsTold) {
  EXPECT_EQ(Call("find('abab', 'a', 2)"), "[3,3]");
  EXPECT_EQ(Call("find('abab', 'a', -2)"), "[3,3]");
  EXPECT_EQ(Call("find('abab', 'a', -100)"), "[1,1]");
  EXPECT_EQ(Call("find('abab', 'a', 0)"), "[1,1]");
  EXPECT_EQ(Call("find('ab', '', 3)"), "[3,2]");
  EXPECT_EQ(Call("find('ab', '', 4)"), "[null]");
  EXPECT_EQ(Call("find('ab', '', math.maxinteger)"), "[null]");
  EXPECT_EQ(Call("find('ab', 'a', math.mininteger)"), "[1,1]");
  EXPECT_THAT(Error("re.find('ab', 'a', 1.5)"), HasSubstr("number has no integer representation"));
  // The text begins where it begins.
  EXPECT_EQ(Call("find('aa', '^a', 2)"), "[null]");
  EXPECT_EQ(Call("find('aa', '\\\\ba', 2)"), "[null]");
}

TEST_F(ReLibraryTest, MatchReturnsGroupsOrAllOfIt) {
  EXPECT_EQ(Call("match('2024-05-06', '(\\\\d+)-(\\\\d+)-(\\\\d+)')"), R"(["2024","05","06"])");
  EXPECT_EQ(Call("match('id 42', '\\\\d+')"), R"(["42"])");
  EXPECT_EQ(Call("match('id 42', '(?P<name>\\\\d+)')"), R"(["42"])");
  EXPECT_EQ(Call("match('id', '\\\\d+')"), "[null]");
  EXPECT_EQ(Call("match('a1b2', '\\\\d', 3)"), R"(["2"])");
  EXPECT_EQ(Call("match('b', 'a|(b)|c')"), R"(["b"])");
  EXPECT_EQ(Call("match('a', 'a|(b)|c')"), "[false]");
  EXPECT_EQ(Call("match('HELLO', '(?i)l+')"), R"(["LL"])");
}

TEST_F(ReLibraryTest, GmatchWalksThroughAllMatches) {
  EXPECT_EQ(Walk("'one two  three', '\\\\w+'"), R"(["one","two","three"])");
  EXPECT_EQ(Walk("'a=1,b=2', '(\\\\w)=(\\\\d)'"), R"(["a+1","b+2"])");
  EXPECT_EQ(Walk("'abc', 'x'"), "[]");
  EXPECT_EQ(Walk("'', ''"), R"([""])");
  // An empty match does not follow right behind another match, and moves on by a character.
  EXPECT_EQ(Walk("'abc', 'b*'"), R"(["","b",""])");
  EXPECT_EQ(Walk("'äö😀', ''"), R"(["","","",""])");
  EXPECT_EQ(Walk("'aaa', '^a'"), R"(["a"])");
  EXPECT_EQ(Result("local next = re.gmatch('a', 'a') next() return {next() == nil, next() == nil}"),
            "[true,true]");
}

TEST_F(ReLibraryTest, GmatchGoesOnAfterASleep) {
  UseHandler(2, 0);
  std::vector<std::shared_ptr<Recording>> runs;
  for (int i = 0; i < 20; ++i) {
    runs.push_back(Start(R"(
        local t = {}
        for key, value in re.gmatch('a=1 b=2 c=3', '(\\w)=(\\d)') do
          task.sleep(0.005)
          t[#t + 1] = value .. key
        end
        return table.concat(t))"));
  }
  for (const auto& run : runs) EXPECT_EQ(run->Wait().result.data(), "1a2b3c");
}

TEST_F(ReLibraryTest, GsubReplacesWithAText) {
  EXPECT_EQ(Call("gsub('hello world', 'o', '0')"), R"(["hell0 w0rld",2])");
  EXPECT_EQ(Call("gsub('hello world', '(\\\\w+) (\\\\w+)', '\\\\2 \\\\1: \\\\0 \\\\\\\\ %1')"),
            R"(["world hello: hello world \\ %1",1])");
  EXPECT_EQ(Call("gsub('ab', '(x)?b', '[\\\\1]')"), R"(["a[]",1])");
  EXPECT_EQ(Call("gsub('abc', '', '-')"), R"(["-a-b-c-",4])");
  EXPECT_EQ(Call("gsub('abc', '\\\\w*', '-')"), R"(["-",1])");
  EXPECT_EQ(Call("gsub('äö', '', '-')"), R"(["-ä-ö-",3])");
  EXPECT_EQ(Call("gsub('aaa', 'a', 'b', 2)"), R"(["bba",2])");
  EXPECT_EQ(Call("gsub('aaa', 'a', 'b', 0)"), R"(["aaa",0])");
  EXPECT_EQ(Call("gsub('aaa', 'a', 'b', -1)"), R"(["aaa",0])");
  EXPECT_EQ(Call("gsub('aaa', '^a', 'b')"), R"(["baa",1])");
  EXPECT_EQ(Call("gsub('a', 'a', 5)"), R"(["5",1])");
  EXPECT_EQ(Call("gsub('x', 'y', 'z')"), R"(["x",0])");
}

TEST_F(ReLibraryTest, GsubReplacesWithWhatATableHas) {
  EXPECT_EQ(Call("gsub('$name is $age $x', '\\\\$(\\\\w+)', {name = 'Lua', age = 31})"),
            R"(["Lua is 31 $x",3])");
  EXPECT_EQ(
      Call("gsub('ab', '[ab]', setmetatable({b = false}, {__index = function(_, k) return k .. k end}))"),
      R"(["aab",2])");
  EXPECT_EQ(Call("gsub('b', '(a)?b', {[false] = 'no'})"), R"(["no",1])");
  EXPECT_THAT(Error("re.gsub('a', 'a', {a = {}})"), HasSubstr("re.gsub: the replacement is a table"));
}

TEST_F(ReLibraryTest, GsubReplacesWithWhatAFunctionReturns) {
  EXPECT_EQ(Call("gsub('3 4', '\\\\d', function(d) return d * 2 end)"), R"(["6 8",2])");
  EXPECT_EQ(Call("gsub('a1b', '([a-z])(\\\\d)?', function(l, d) return l:upper() .. tostring(d) end)"),
            R"(["A1Bfalse",2])");
  EXPECT_EQ(Call("gsub('abc', '.', function(c) if c ~= 'b' then return end return 'B' end)"), R"(["aBc",3])");
  EXPECT_EQ(Call("gsub('ab', '.', function(c) return (re.gsub(c, 'a', re.escape)) end)"), R"(["ab",2])");
  EXPECT_THAT(Error("re.gsub('a', 'a', function() return print end)"),
              HasSubstr("the replacement is a function"));
  EXPECT_THAT(Error("re.gsub('a', 'a', function() error('mine') end)"), HasSubstr("mine"));
  EXPECT_THAT(Error("re.gsub('a', 'a', function() task.sleep(0) end)"),
              HasSubstr("task.sleep cannot be used in a function that C code calls"));
}

TEST_F(ReLibraryTest, BadReplacementsAreRefused) {
  EXPECT_THAT(Error("re.gsub('a', '(a)', '\\\\2')"),
              HasSubstr("re.gsub: the replacement has '\\2', the pattern has 1 groups"));
  EXPECT_THAT(Error("re.gsub('a', 'a', '\\\\x')"), HasSubstr("followed by neither a digit nor a '\\'"));
  EXPECT_THAT(Error("re.gsub('a', 'a', '\\\\')"), HasSubstr("followed by neither a digit nor a '\\'"));
  EXPECT_THAT(Error("re.gsub('a', 'a')"),
              HasSubstr("bad argument #3 to 'gsub' (string/function/table expected, got no value)"));
  EXPECT_THAT(Error("re.gsub('a', 'a', true)"), HasSubstr("string/function/table expected, got boolean"));
}

TEST_F(ReLibraryTest, SplitReturnsWhatLiesBetween) {
  EXPECT_EQ(Call("split('a, b,c', ', *')"), R"([["a","b","c"]])");
  EXPECT_EQ(Call("split(',a,,b,', ',')"), R"([["","a","","b",""]])");
  EXPECT_EQ(Call("split('abc', 'x')"), R"([["abc"]])");
  EXPECT_EQ(Call("split('', ',')"), R"([[""]])");
  EXPECT_EQ(Call("split('', '')"), R"([[""]])");
  EXPECT_EQ(Call("split('aö😀', '')"), R"([["a","ö","😀"]])");
  EXPECT_EQ(Call("split('a1b', '(\\\\d)')"), R"([["a","b"]])");
  EXPECT_EQ(Call("split('a,b', ',*')"), R"([["a","b"]])");
  EXPECT_EQ(Call("split('a,b,c', ',', 2)"), R"([["a","b,c"]])");
  EXPECT_EQ(Call("split('a,b,c', ',', 1)"), R"([["a,b,c"]])");
  EXPECT_EQ(Call("split('a,b,c', ',', math.maxinteger)"), R"([["a","b","c"]])");
  EXPECT_THAT(Error("re.split('a', ',', 0)"), HasSubstr("bad argument #3 to 'split' (must be at least 1)"));
}

TEST_F(ReLibraryTest, EscapedTextMatchesItself) {
  EXPECT_EQ(Call("escape('1.5 (a+b)*[c]_ä')"), R"(["1\\.5\\ \\(a\\+b\\)\\*\\[c\\]_ä"])");
  EXPECT_EQ(Result(R"(
      for i = 0, 127 do
        local s = 'x' .. string.char(i) .. '1'
        local first, last = re.find('_' .. s, re.escape(s))
        assert(first == 2 and last == 4, i)
      end
      return 'all')"),
            "all");
}

TEST_F(ReLibraryTest, PatternsThatAreWrongAreRefusedWithTheReason) {
  EXPECT_THAT(Error("re.find('a', '(a')"), HasSubstr("script:1: re.find: missing ): (a"));
  EXPECT_THAT(Error("re.match('a', '[a')"), HasSubstr("re.match: missing ]: [a"));
  EXPECT_THAT(Error("re.gsub('a', 'a**', '')"), HasSubstr("re.gsub: bad repetition operator: **"));
  EXPECT_THAT(Error("re.split('a', 'a{1001}')"), HasSubstr("re.split: invalid repetition size: {1001}"));
  EXPECT_THAT(Error("re.gmatch('a', '(?=a)')()"), HasSubstr("re.gmatch: invalid perl operator: (?="));
  EXPECT_THAT(Error("re.find('a', '(.)\\\\1')"), HasSubstr("re.find: invalid escape sequence: \\1"));
  EXPECT_THAT(Error("re.find('a', '\\xFF')"), HasSubstr("re.find: invalid UTF-8"));
  EXPECT_THAT(Error("re.find('a')"), HasSubstr("bad argument #2 to 'find' (string expected, got no value)"));
  EXPECT_THAT(Error("re.find({}, 'a')"), HasSubstr("bad argument #1 to 'find' (string expected, got table)"));
}

TEST_F(ReLibraryTest, PatternsAreBounded) {
  EXPECT_EQ(Result("return (re.find('a', ('a'):rep(4096)))"), "");
  EXPECT_THAT(Error("re.find('a', ('a'):rep(4097))"), HasSubstr("the pattern is longer than 4096 bytes"));
  EXPECT_THAT(Error("re.find('a', ('a'):rep(1 << 24))"), HasSubstr("the pattern is longer than 4096 bytes"));
  EXPECT_THAT(Error("re.find('a', '((a{100}){100}){100}')"), HasSubstr("invalid repetition size: {100}"));
  EXPECT_THAT(Error("re.find('a', '(a{1000}){1000}')"), HasSubstr("invalid repetition size: {1000}"));
  EXPECT_THAT(Error("re.find('a', '[\\\\pL]{1000}')"), HasSubstr("pattern too large"));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  // The parse tree counts as well, not only the program. The sanitizers' malloc does not tell.
  EXPECT_THAT(Error("re.find('a', '(?:' .. ('\\\\pL'):rep(1300) .. '){0}')"), HasSubstr("pattern too large"));
#endif
  EXPECT_THAT(Error("re.find('a', ('('):rep(2048) .. (')'):rep(2048))"), HasSubstr("groups that capture"));
  EXPECT_THAT(Error("re.find('a', ('('):rep(4096))"), HasSubstr("re.find: "));
  EXPECT_THAT(Error("re.find('a', ('(?:'):rep(1365))"), HasSubstr("re.find: missing )"));
  EXPECT_EQ(Result("return (re.find('a', ('(?:'):rep(500) .. 'a' .. (')'):rep(500)))"), "1");
  EXPECT_EQ(Result("return #table.pack(re.match('a', ('(a)?'):rep(64)))"), "64");
  EXPECT_THAT(Error("re.match('a', ('(a)?'):rep(65))"),
              HasSubstr("the pattern has more than 64 groups that capture"));
}

TEST_F(ReLibraryTest, TextsNeedNotBeUtf8) {
  EXPECT_EQ(Result(R"(return (re.find('\xFF\xFEabc\x80', 'b')))"), "4");
  // A byte that is no part of a character is matched by \C alone.
  EXPECT_EQ(Result(R"(return re.find('\xFFa', '.'))"), "2");
  EXPECT_EQ(Result(R"(return re.find('\xFFa', '[^x]'))"), "2");
  EXPECT_EQ(Result(R"(return re.find('\xFFa', '\\C'))"), "1");
  EXPECT_EQ(Result(R"(return #re.match('ä', '^\\C'))"), "1");
  // Empty matches move over one byte at a time there.
  EXPECT_EQ(Result(R"(return (re.gsub('\xC3\xE2\x82\xFFä', '', '-')) == '-\xC3-\xE2-\x82-\xFF-ä-')"), "true");
  EXPECT_EQ(Result(R"(return #re.split('\xF0\x9F\x98', ''))"), "3");
  EXPECT_EQ(Call("match('äöü', '^.(.)')"), R"(["ö"])");
}

TEST_F(ReLibraryTest, BytesOfZeroAreLikeOthers) {
  EXPECT_EQ(Result(R"(local s, e = re.find('a\0b\0c', '\0c') return {s, e})"), "[4,5]");
  EXPECT_EQ(Result(R"(return (re.gsub('a\0b', '\\x00', '0')))"), "a0b");
  EXPECT_EQ(Result(R"(return #re.split('a\0b\0c', '\0'))"), "3");
  EXPECT_EQ(Result(R"(return #re.gsub('ab', 'b', '\0\0'))"), "3");
}

TEST_F(ReLibraryTest, NoPatternTakesExponentialTime) {
  EXPECT_EQ(Result(R"(
      local text = ('a'):rep(5000) .. '!'
      for _, pattern in ipairs({'^(a+)+$', '^(a|aa)+$', '^(.*)*x', '^((a*)*)*$', '(x+x+)+y', '^(a?){500}a{500}$'}) do
        assert(not re.find(text, pattern), pattern)
      end
      return 'linear')"),
            "linear");
}

TEST_F(ReLibraryTest, AMatchIsBoundedByThePatternAndTheTextTogether) {
  EXPECT_EQ(Result("return #re.match(('ab'):rep(1 << 22), '^[ab]+$')"), "8388608");
  EXPECT_THAT(Error("re.find(('ab'):rep(1 << 20), '[ab]*a[ab]{900}c')"),
              HasSubstr("re.find: the text is too long: with this pattern it may have 11"));
  // As it would come to, where there is less of it left.
  EXPECT_EQ(Result("return re.find(('ab'):rep(1 << 20) .. 'c', '[ab]*a[ab]{900}c', -10) == nil"), "true");
}

TEST_F(ReLibraryTest, AMatchThatTakesLongKeepsNobodyWaiting) {
  UseHandler(1, 0);
  // Seconds; no signal is heard meanwhile.
  const auto hog = Start("task.progress(1) re.find(('ab'):rep(1 << 18), '[ab]*a[ab]{900}c')", {}, 42);
  hog->WaitForEvents(1);
  EXPECT_EQ(Result("return 1"), "1");
  EXPECT_FALSE(hog->over());
  handler().Stop(42);
  EXPECT_EQ(Reason(hog->Wait().status), "CANCELLED");
  EXPECT_EQ(Result("return 2"), "2");
}

TEST_F(ReLibraryTest, ResultsCountAsTheTasksMemory) {
  for (const char* call :
       {"re.gsub(('a'):rep(1000), 'a', ('b'):rep(100000))",
        "re.gsub(('a'):rep(1000), '', ('\\\\0b'):rep(50000))", "re.split(('a'):rep(1 << 20), '')",
        "re.gsub(('a'):rep(1 << 18), 'a', function() return 'four' .. 'five' end)"}) {
    const auto run = Run(absl::StrCat("pcall(function() return ", call, " end) return 'there was room'"),
                         [](v1::Task& task) { task.mutable_limits()->set_memory_bytes(2 << 20); });
    EXPECT_EQ(Reason(run->Wait().status), "MEMORY_EXCEEDED") << call;
  }
}

TEST_F(ReLibraryTest, ThousandsOfPatternsComeAndGo) {
  UseHandler(1, 0);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(Result(R"(
        for i = 1, 2000 do
          assert(re.match('aaa' .. i, '^(a+)(' .. i .. ')$') == 'aaa')
          assert(not pcall(re.find, '', i .. '('))
          assert(re.find('kept', 'k.pt') == 1)
        end
        return 'right')"),
              "right");
  }
}

TEST_F(ReLibraryTest, OneThatIsStoppedInAMatchLeavesTheCacheIntact) {
  UseHandler(1, 0);
  EXPECT_EQ(Result("return 1"), "1");
  const std::vector<int> pids = SandboxPids();
  for (AttemptId id = 1; id <= 30; ++id) {
    const auto run = Start(R"(
        task.progress(1)
        local i = 0
        while true do
          i = i + 1
          for a in re.gmatch(('ab'):rep(100), '(a|b)(' .. i % 50 .. ')?') do re.gsub(a, 'a|b', {}) end
        end)",
                           {}, id);
    run->WaitForEvents(1);
    handler().Stop(id);
    EXPECT_EQ(Reason(run->Wait().status), "CANCELLED");
    EXPECT_EQ(Result("return (re.gsub('ab', '(a|b)(' .. 7 .. ')?', 'x'))"), "xx");
  }
  EXPECT_EQ(SandboxPids(), pids);
}

}  // namespace
}  // namespace errand::handlers
