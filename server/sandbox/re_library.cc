// re: regular expressions, by RE2 (its syntax page lists what a pattern may be). The time a match takes is
// linear in the text; there are no back-references and no look-around.
//
// Texts and patterns are UTF-8. A byte of a text that is no part of a character is matched by \C alone. `^`
// and \b look at the whole text, also where a search begins in its middle. A group that took no part in a
// match is `false`, so that those behind it keep their places.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "server/sandbox/interpreter.h"
#include "server/sandbox/interrupts.h"
#include "server/sandbox/libraries.h"
#include "server/sandbox/pattern_cache.h"

namespace errand::sandbox {
namespace {

// A match cannot be interrupted. As a rule it takes a nanosecond for a byte of text, but when the automaton
// has too many states it takes a step for each instruction of the pattern's program as well, and more of them
// when many groups capture. A step is about 8 ns, so that this is some 8 seconds; the server kills a process
// that does not stop at its run_timeout sooner than that. A program has 10 to 50 instructions, and 1200 for
// "\pL".
constexpr uint64_t kMaxSteps = 1 << 30;
constexpr uint64_t kGroupsPerStep = 16;
// A match that may take longer than this keeps no other run waiting.
constexpr uint64_t kLongSteps = 1 << 23;

constexpr size_t kNone = SIZE_MAX;

// The arguments of a function. All that these structures hold views the run's own heap, and none has a
// destructor: a run may be abandoned while they are alive (interrupts.h).
struct Subject {
  const char* function;  // For messages.
  std::string_view text;
  std::string_view pattern;
};

struct Span {
  size_t begin;  // kNone when the group took no part in the match.
  size_t end;
};

struct Match {
  int groups;  // That capture.
  Span spans[1 + PatternCache::kMaxGroups];

  const Span& whole() const { return spans[0]; }
};

enum class Outcome : uint8_t { kFound, kNotFound, kProblem };

PatternCache& Patterns() {
  static PatternCache patterns;
  return patterns;
}

// Pushes the problem if there is one.
Outcome Search(lua_State* thread, const Subject& subject, size_t start, Match& match) {
  const interrupts::HostSection section;
  std::string problem;
  const RE2* const expression = Patterns().Find(subject.pattern, problem);
  uint64_t steps = 0;
  if (expression != nullptr) {
    const auto groups = static_cast<uint64_t>(expression->NumberOfCapturingGroups());
    const uint64_t steps_a_byte =
        static_cast<uint64_t>(expression->ProgramSize()) * (kGroupsPerStep + groups) / kGroupsPerStep;
    steps = uint64_t{subject.text.size() - start} * steps_a_byte;
    if (steps > kMaxSteps) {
      problem = "the text is too long: with this pattern it may have " +
                std::to_string(kMaxSteps / steps_a_byte) + " bytes";
    }
  }
  if (!problem.empty()) {
    lua_pushlstring(thread, problem.data(), problem.size());
    return Outcome::kProblem;
  }
  if (steps > kLongSteps) Interpreter::Of(thread).channel().ReturnRest();
  match.groups = expression->NumberOfCapturingGroups();
  re2::StringPiece pieces[1 + PatternCache::kMaxGroups];
  const re2::StringPiece text(subject.text.data(), subject.text.size());
  if (!expression->Match(text, start, text.size(), RE2::UNANCHORED, pieces, 1 + match.groups)) {
    return Outcome::kNotFound;
  }
  for (int i = 0; i <= match.groups; ++i) {
    const bool took_part = pieces[i].data() != nullptr;
    match.spans[i].begin = took_part ? static_cast<size_t>(pieces[i].data() - text.data()) : kNone;
    match.spans[i].end = match.spans[i].begin + pieces[i].size();
  }
  return Outcome::kFound;
}

// Looks for the first match at `start` or behind it. Raises an error when the pattern is refused.
bool Find(lua_State* thread, const Subject& subject, size_t start, Match& match) {
  const Outcome outcome = Search(thread, subject, start, match);
  interrupts::CheckPoint();
  if (outcome == Outcome::kProblem) {
    luaL_error(thread, "re.%s: %s", subject.function, lua_tostring(thread, -1));
  }
  return outcome == Outcome::kFound;
}

// Of the character at `place`; 1 of what is none.
size_t CharacterBytes(std::string_view text, size_t place) {
  if (place >= text.size()) return 1;
  const auto byte = [&](size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned lead = byte(place);
  const size_t size = lead < 0xC2 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 1;
  if (size > text.size() - place) return 1;
  for (size_t i = 1; i < size; ++i) {
    if ((byte(place + i) & 0xC0) != 0x80) return 1;
  }
  return size;
}

// How far the matches of a text, one behind the other, have been found.
struct Scan {
  size_t next = 0;  // Where the next one may begin; beyond the text's end when there is none.
  size_t last_end = kNone;
};

// As string.gmatch: there is no empty match right behind another one.
bool FindNext(lua_State* thread, const Subject& subject, Scan& scan, Match& match) {
  while (scan.next <= subject.text.size()) {
    if (!Find(thread, subject, scan.next, match)) {
      scan.next = kNone;
      break;
    }
    const auto [begin, end] = match.whole();
    const bool empty = begin == end;
    scan.next = empty ? end + CharacterBytes(subject.text, end) : end;
    if (empty && begin == scan.last_end) continue;
    scan.last_end = end;
    return true;
  }
  return false;
}

Subject CheckSubject(lua_State* thread, const char* function) {
  size_t text_size;
  size_t pattern_size;
  const char* text = luaL_checklstring(thread, 1, &text_size);
  const char* pattern = luaL_checklstring(thread, 2, &pattern_size);
  return {function, {text, text_size}, {pattern, pattern_size}};
}

// As string.find's: from 1, or from the end when negative. False when it lies behind the text.
bool CheckStart(lua_State* thread, size_t text_size, size_t& start) {
  const lua_Integer init = luaL_optinteger(thread, 3, 1);
  const auto size = static_cast<lua_Integer>(text_size);
  if (init > size + 1) return false;
  if (init > 0) {
    start = static_cast<size_t>(init - 1);
  } else {
    start = init == 0 || init < -size ? 0 : static_cast<size_t>(size + init);
  }
  return true;
}

void PushGroup(lua_State* thread, std::string_view text, const Span& span) {
  if (span.begin == kNone) {
    lua_pushboolean(thread, 0);
  } else {
    lua_pushlstring(thread, text.data() + span.begin, span.end - span.begin);
  }
}

int PushGroups(lua_State* thread, std::string_view text, const Match& match) {
  luaL_checkstack(thread, match.groups, "too many groups");
  for (int i = 1; i <= match.groups; ++i) PushGroup(thread, text, match.spans[i]);
  return match.groups;
}

// The whole match when no group captures.
int PushGroupsOrMatch(lua_State* thread, std::string_view text, const Match& match) {
  if (match.groups > 0) return PushGroups(thread, text, match);
  PushGroup(thread, text, match.whole());
  return 1;
}

// re.find(s, pattern [, init]): where the first match begins and ends, and what its groups captured; or nil.
int ReFind(lua_State* thread) {
  const Subject subject = CheckSubject(thread, "find");
  size_t start;
  Match match;
  if (!CheckStart(thread, subject.text.size(), start) || !Find(thread, subject, start, match)) {
    lua_pushnil(thread);
    return 1;
  }
  lua_pushinteger(thread, static_cast<lua_Integer>(match.whole().begin) + 1);
  lua_pushinteger(thread, static_cast<lua_Integer>(match.whole().end));
  return 2 + PushGroups(thread, subject.text, match);
}

// re.match(s, pattern [, init]): what the groups of the first match captured, the match if there are none; or
// nil.
int ReMatch(lua_State* thread) {
  const Subject subject = CheckSubject(thread, "match");
  size_t start;
  Match match;
  if (!CheckStart(thread, subject.text.size(), start) || !Find(thread, subject, start, match)) {
    lua_pushnil(thread);
    return 1;
  }
  return PushGroupsOrMatch(thread, subject.text, match);
}

// The upvalues hold all there is between two steps, because the run may go on in another process: the text,
// the pattern, and the scan.
int NextMatch(lua_State* thread) {
  lua_settop(thread, 0);
  lua_pushvalue(thread, lua_upvalueindex(1));
  lua_pushvalue(thread, lua_upvalueindex(2));
  const Subject subject = CheckSubject(thread, "gmatch");
  Scan scan{static_cast<size_t>(lua_tointeger(thread, lua_upvalueindex(3))),
            static_cast<size_t>(lua_tointeger(thread, lua_upvalueindex(4)))};
  Match match;
  const bool found = FindNext(thread, subject, scan, match);
  // kNone becomes -1, and that kNone again.
  lua_pushinteger(thread, static_cast<lua_Integer>(scan.next));
  lua_replace(thread, lua_upvalueindex(3));
  lua_pushinteger(thread, static_cast<lua_Integer>(scan.last_end));
  lua_replace(thread, lua_upvalueindex(4));
  return found ? PushGroupsOrMatch(thread, subject.text, match) : 0;
}

// re.gmatch(s, pattern): an iterator over what re.match returns of each match.
int ReGmatch(lua_State* thread) {
  CheckSubject(thread, "gmatch");
  lua_settop(thread, 2);
  constexpr Scan kStart;
  lua_pushinteger(thread, static_cast<lua_Integer>(kStart.next));
  lua_pushinteger(thread, static_cast<lua_Integer>(kStart.last_end));
  lua_pushcclosure(thread, NextMatch, 4);
  return 1;
}

// Adds the string at index 3, with \0 for the match, \1 to \9 for its groups and \\ for a backslash.
void AddExpanded(lua_State* thread, luaL_Buffer* result, const Subject& subject, const Match& match) {
  size_t size;
  const char* at = lua_tolstring(thread, 3, &size);
  const char* const end = at + size;
  for (;;) {
    const char* const escape = std::find(at, end, '\\');
    luaL_addlstring(result, at, static_cast<size_t>(escape - at));
    if (escape == end) return;
    const char what = escape + 1 < end ? escape[1] : '\0';
    at = escape + 2;
    if (what == '\\') {
      luaL_addchar(result, '\\');
    } else if (what >= '0' && what <= '9') {
      const int group = what - '0';
      if (group > match.groups) {
        luaL_error(thread, "re.gsub: the replacement has '\\%d', the pattern has %d groups", group,
                   match.groups);
      }
      const auto [begin, close] = match.spans[group];
      if (begin != kNone) luaL_addlstring(result, subject.text.data() + begin, close - begin);
    } else {
      luaL_error(thread, "re.gsub: a '\\' in the replacement is followed by neither a digit nor a '\\'");
    }
  }
}

// Adds what the table or the function at index 3 has for the match; where that is false or nil, the match.
void AddLookedUp(lua_State* thread, luaL_Buffer* result, const Subject& subject, const Match& match) {
  if (lua_type(thread, 3) == LUA_TTABLE) {
    PushGroup(thread, subject.text, match.spans[match.groups > 0 ? 1 : 0]);
    lua_gettable(thread, 3);
  } else {
    lua_pushvalue(thread, 3);
    lua_call(thread, PushGroupsOrMatch(thread, subject.text, match), 1);
  }
  if (!lua_toboolean(thread, -1)) {
    lua_pop(thread, 1);
    PushGroup(thread, subject.text, match.whole());
  } else if (!lua_isstring(thread, -1)) {
    luaL_error(thread, "re.gsub: the replacement is a %s", luaL_typename(thread, -1));
  }
  luaL_addvalue(result);
}

// re.gsub(s, pattern, replacement [, n]): `s` with its matches, the first `n`, replaced; and how many those
// are. C code calls the function, so it cannot sleep.
int ReGsub(lua_State* thread) {
  const Subject subject = CheckSubject(thread, "gsub");
  const int type = lua_type(thread, 3);
  const bool is_text = type == LUA_TSTRING || type == LUA_TNUMBER;
  luaL_argexpected(thread, is_text || type == LUA_TTABLE || type == LUA_TFUNCTION, 3,
                   "string/function/table");
  const lua_Integer most = luaL_optinteger(thread, 4, LUA_MAXINTEGER);
  if (is_text) lua_tostring(thread, 3);
  lua_settop(thread, 4);
  Scan scan;
  Match match;
  size_t copied = 0;
  lua_Integer count = 0;
  luaL_Buffer result;
  luaL_buffinit(thread, &result);
  while (count < most && FindNext(thread, subject, scan, match)) {
    ++count;
    const auto [begin, end] = match.whole();
    luaL_addlstring(&result, subject.text.data() + copied, begin - copied);
    copied = end;
    if (is_text) {
      AddExpanded(thread, &result, subject, match);
    } else {
      AddLookedUp(thread, &result, subject, match);
    }
  }
  if (count == 0) {
    lua_pushvalue(thread, 1);
  } else {
    luaL_addlstring(&result, subject.text.data() + copied, subject.text.size() - copied);
    luaL_pushresult(&result);
  }
  lua_pushinteger(thread, count);
  return 2;
}

// re.split(s, pattern [, max]): a table of what lies between the matches, at least one string and at most
// `max`, of which the last is the rest. An empty match separates characters: it takes none from the ends.
int ReSplit(lua_State* thread) {
  const Subject subject = CheckSubject(thread, "split");
  const lua_Integer most = luaL_optinteger(thread, 3, LUA_MAXINTEGER);
  luaL_argcheck(thread, most >= 1, 3, "must be at least 1");
  lua_settop(thread, 2);
  lua_newtable(thread);
  Scan scan;
  Match match;
  size_t copied = 0;
  lua_Integer count = 0;
  while (count + 1 < most && FindNext(thread, subject, scan, match)) {
    const auto [begin, end] = match.whole();
    if (begin == end && (begin == 0 || begin == subject.text.size())) continue;
    PushGroup(thread, subject.text, {copied, begin});
    lua_rawseti(thread, 3, ++count);
    copied = end;
  }
  PushGroup(thread, subject.text, {copied, subject.text.size()});
  lua_rawseti(thread, 3, ++count);
  return 1;
}

bool IsPlain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

// re.escape(s): a pattern that matches `s` and nothing else.
int ReEscape(lua_State* thread) {
  size_t size;
  const char* text = luaL_checklstring(thread, 1, &size);
  luaL_Buffer pattern;
  luaL_buffinit(thread, &pattern);
  for (const char c : std::string_view(text, size)) {
    if (c == '\0') {
      luaL_addstring(&pattern, "\\x00");
      continue;
    }
    if (!IsPlain(c)) luaL_addchar(&pattern, '\\');
    luaL_addchar(&pattern, c);
  }
  luaL_pushresult(&pattern);
  return 1;
}

}  // namespace

int OpenRe(lua_State* state) {
  constexpr luaL_Reg kFunctions[] = {{"escape", ReEscape}, {"find", ReFind},   {"gmatch", ReGmatch},
                                     {"gsub", ReGsub},     {"match", ReMatch}, {"split", ReSplit},
                                     {nullptr, nullptr}};
  luaL_newlib(state, kFunctions);
  return 1;
}

}  // namespace errand::sandbox
