#include "server/sandbox/json.h"

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#include <rapidjson/writer.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "server/sandbox/heap_text.h"
#include "server/sandbox/interpreter.h"
#include "server/sandbox/interrupts.h"
#include "server/sandbox/memory.h"
#include "server/sandbox/utf8.h"

namespace errand::sandbox {
namespace {

// Slots of the Lua stack that one level of nesting takes: the table and a key.
constexpr int kSlotsPerLevel = 2;
constexpr int kSlots = kSlotsPerLevel * (kMaxJsonDepth + 1) + 8;

// Writes the value on the top of the stack, and leaves it there.
class Encoder {
 public:
  explicit Encoder(lua_State* thread) : thread_(thread), text_(&Interpreter::Of(thread).memory()) {}

  bool Encode() { return Value(0); }
  std::string_view text() const { return text_.view(); }
  // Where it went wrong, and what.
  std::string problem() const { return path_.empty() ? problem_ : path_ + ": " + problem_; }

 private:
  using JsonWriter = rapidjson::Writer<HeapText, rapidjson::UTF8<>, rapidjson::UTF8<>,
                                       rapidjson::CrtAllocator, rapidjson::kWriteValidateEncodingFlag>;

  bool Problem(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }

  bool Value(int depth) {
    // A table that is reached on many paths is written as often.
    if (interrupts::pending() != Ending::kOk) return false;
    switch (lua_type(thread_, -1)) {
      case LUA_TNIL:
        return writer_.Null();
      case LUA_TBOOLEAN:
        return writer_.Bool(lua_toboolean(thread_, -1) != 0);
      case LUA_TNUMBER:
        return Number();
      case LUA_TSTRING:
        return Text(-1, "a string that is not UTF-8");
      case LUA_TLIGHTUSERDATA:
        return writer_.Null();
      case LUA_TTABLE:
        break;
      default:
        return Problem(std::string("a ") + luaL_typename(thread_, -1));
    }
    if (depth >= kMaxJsonDepth)
      return Problem("nested more than " + std::to_string(kMaxJsonDepth) + " levels");
    const bool marked = IsJsonArray(thread_, -1);
    const lua_Unsigned size = lua_rawlen(thread_, -1);
    return marked || size > 0 ? Array(size, depth) : Object(depth);
  }

  bool Number() {
    if (lua_isinteger(thread_, -1)) return writer_.Int64(lua_tointeger(thread_, -1));
    const double number = lua_tonumber(thread_, -1);
    if (!std::isfinite(number)) return Problem("a number that is not finite");
    return writer_.Double(number);
  }

  bool Text(int index, const char* problem) {
    size_t size;
    const char* data = lua_tolstring(thread_, index, &size);
    return writer_.String(data, static_cast<rapidjson::SizeType>(size)) || Problem(problem);
  }

  bool Array(lua_Unsigned size, int depth) {
    writer_.StartArray();
    for (lua_Unsigned i = 1; i <= size; ++i) {
      lua_rawgeti(thread_, -1, static_cast<lua_Integer>(i));
      const bool written = Value(depth + 1);
      lua_pop(thread_, 1);
      if (!written) {
        path_.insert(0, std::string("[").append(std::to_string(i)).append("]"));
        return false;
      }
    }
    writer_.EndArray();
    // Whatever else is in the table would be lost without a word.
    lua_Unsigned entries = 0;
    lua_pushnil(thread_);
    while (lua_next(thread_, -2) != 0) {
      lua_pop(thread_, 1);
      const lua_Integer key = lua_isinteger(thread_, -1) ? lua_tointeger(thread_, -1) : 0;
      if (key < 1 || static_cast<lua_Unsigned>(key) > size) {
        lua_pop(thread_, 1);
        return Problem("an array with keys other than 1 to " + std::to_string(size));
      }
      ++entries;
    }
    return true;
  }

  bool Object(int depth) {
    writer_.StartObject();
    lua_pushnil(thread_);
    while (lua_next(thread_, -2) != 0) {
      if (lua_type(thread_, -2) != LUA_TSTRING) {
        lua_pop(thread_, 2);
        return Problem("an object with a key that is not a string");
      }
      const bool written = Text(-2, "a key that is not UTF-8") && Value(depth + 1);
      lua_pop(thread_, 1);
      if (!written) {
        path_.insert(0, std::string(".").append(lua_tostring(thread_, -1)));
        lua_pop(thread_, 1);
        return false;
      }
    }
    return writer_.EndObject();
  }

  lua_State* const thread_;
  HeapText text_;
  JsonWriter writer_{text_};
  std::string path_;
  std::string problem_;
};

// The text that is parsed.
struct JsonText : rapidjson::MemoryStream {
  explicit JsonText(std::string_view text) : rapidjson::MemoryStream(text.data(), text.size()) {}

  // Lets the parser find its end at once.
  void CutShort() { end_ = src_; }
};

// RapidJSON's allocator for the one block that the parser keeps strings in: on the run's heap. The parser
// does not look whether it got what it wanted; so when there is no more it gets it nevertheless, once, and
// then nothing more to parse.
class ParserAllocator {
 public:
  // RapidJSON would make one itself where it is given none.
  ParserAllocator() = default;
  // Both are borrowed, and the allocator must outlive the parser.
  ParserAllocator(Memory* memory, JsonText* text) : memory_(memory), text_(text) {}
  ~ParserAllocator() { memory_->Free(block_); }
  ParserAllocator(const ParserAllocator&) = delete;
  ParserAllocator& operator=(const ParserAllocator&) = delete;

  void* Malloc(size_t size) { return Realloc(nullptr, 0, size); }
  void* Realloc(void* block, size_t, size_t size) {
    if (size == 0) return nullptr;
    block_ = memory_->ReallocateAnyway(block, size);
    if (interrupts::pending() != Ending::kOk) text_->CutShort();
    return block_;
  }
  static void Free(void*) {}

 private:
  Memory* const memory_ = nullptr;
  JsonText* const text_ = nullptr;
  void* block_ = nullptr;
};

// Builds the value on the Lua stack as the parser calls. Open containers and the keys of open members are on
// the stack; nothing is called that could raise, since memory never runs out there and the stack was
// reserved.
class Builder : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Builder> {
 public:
  explicit Builder(lua_State* thread) : thread_(thread) {}

  bool Null() {
    lua_pushlightuserdata(thread_, nullptr);
    return Attach();
  }
  bool Bool(bool value) {
    lua_pushboolean(thread_, value);
    return Attach();
  }
  // Numbers come as text that keeps to the grammar: RapidJSON 1.1 reads beyond a table when it makes doubles
  // of ones with many zeros (kParseFullPrecisionFlag).
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) {
    const char* const end = text + size;
    int64_t integer;
    if (const auto [rest, error] = std::from_chars(text, end, integer); error == std::errc() && rest == end) {
      lua_pushinteger(thread_, integer);
      return Attach();
    }
    double number;
    if (const auto [rest, error] = std::from_chars(text, end, number); error != std::errc()) {
      // Too large, or closer to zero than a double can be.
      number = std::strtod(std::string(text, size).c_str(), nullptr);
      if (!std::isfinite(number)) return Problem("a number too large for a float");
    }
    lua_pushnumber(thread_, number);
    return Attach();
  }
  bool String(const char* text, rapidjson::SizeType size, bool) { return PushText(text, size) && Attach(); }
  bool Key(const char* text, rapidjson::SizeType size, bool) { return PushText(text, size); }
  bool StartObject() { return Open(kIsObject); }
  bool EndObject(rapidjson::SizeType) { return Close(); }
  bool StartArray() {
    if (!Open(0)) return false;
    luaL_setmetatable(thread_, kJsonArray);
    return true;
  }
  bool EndArray(rapidjson::SizeType) { return Close(); }

  // What it did not take; empty when the parser knows better.
  const std::string& problem() const { return problem_; }

 private:
  static constexpr lua_Integer kIsObject = -1;

  bool Problem(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }

  bool PushText(const char* text, size_t size) {
    // The parser takes "\uDC00" by itself, half of a pair, for a character.
    constexpr char kStartsSurrogate = '\xED';
    if (std::memchr(text, kStartsSurrogate, size) != nullptr && !IsUtf8({text, size})) {
      return Problem("half of a surrogate pair");
    }
    lua_pushlstring(thread_, text, size);
    return true;
  }

  bool Open(lua_Integer size) {
    if (depth_ >= kMaxJsonDepth) {
      return Problem("nested more than " + std::to_string(kMaxJsonDepth) + " levels");
    }
    lua_newtable(thread_);
    sizes_[depth_++] = size;
    return true;
  }
  bool Close() {
    --depth_;
    return Attach();
  }
  // Puts the value on the top into the container that is open.
  bool Attach() {
    // Memory was exceeded, or time: the value will not be used.
    if (interrupts::pending() != Ending::kOk) return false;
    if (depth_ == 0) return true;
    lua_Integer& size = sizes_[depth_ - 1];
    if (size == kIsObject) {
      lua_rawset(thread_, -3);
    } else {
      lua_rawseti(thread_, -2, ++size);
    }
    return true;
  }

  lua_State* const thread_;
  int depth_ = 0;
  std::string problem_;
  lua_Integer sizes_[kMaxJsonDepth];  // Of each open array; kIsObject of an object.
};

std::string Position(std::string_view text, size_t offset) {
  size_t line = 1;
  size_t column = 1;
  for (const char c : text.substr(0, offset)) {
    ++column;
    if (c == '\n') {
      ++line;
      column = 1;
    }
  }
  return " at line " + std::to_string(line) + ", column " + std::to_string(column);
}

}  // namespace

bool IsJsonArray(lua_State* thread, int index) {
  if (!lua_getmetatable(thread, index)) return false;
  luaL_getmetatable(thread, kJsonArray);
  const bool marked = lua_rawequal(thread, -1, -2) != 0;
  lua_pop(thread, 2);
  return marked;
}

bool PushJson(lua_State* thread, int index, std::string& problem) {
  if (!lua_checkstack(thread, lua_istable(thread, index) ? kSlots : kSlotsPerLevel)) {
    problem = "no room on Lua's stack";
    return false;
  }
  Encoder encoder(thread);
  lua_pushvalue(thread, index);
  const bool encoded = encoder.Encode();
  lua_pop(thread, 1);
  if (!encoded) {
    problem = encoder.problem();
    return false;
  }
  if (interrupts::pending() != Ending::kOk) return false;
  const std::string_view text = encoder.text();
  lua_pushlstring(thread, text.data(), text.size());
  return true;
}

bool ParseJson(lua_State* thread, std::string_view text, std::string& problem) {
  if (!lua_checkstack(thread, kSlots)) {
    problem = "no room on Lua's stack";
    return false;
  }
  const int top = lua_gettop(thread);
  Builder builder(thread);
  JsonText bytes(text);
  ParserAllocator allocator(&Interpreter::Of(thread).memory(), &bytes);
  rapidjson::GenericReader<rapidjson::UTF8<>, rapidjson::UTF8<>, ParserAllocator> reader(&allocator);
  constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag |
                              rapidjson::kParseValidateEncodingFlag;
  rapidjson::ParseResult result = reader.Parse<kFlags>(bytes, builder);
  // It takes a zero byte for the end.
  if (!result.IsError() && bytes.Tell() < text.size()) {
    result.Set(rapidjson::kParseErrorDocumentRootNotSingular, bytes.Tell());
  }
  if (!result.IsError()) return true;
  lua_settop(thread, top);
  problem = builder.problem().empty() ? rapidjson::GetParseError_En(result.Code()) : builder.problem();
  if (problem.back() == '.') problem.pop_back();
  problem += Position(text, result.Offset());
  return false;
}

}  // namespace errand::sandbox
