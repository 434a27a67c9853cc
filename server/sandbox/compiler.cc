#include "server/sandbox/compiler.h"

#include "server/sandbox/interrupts.h"
#include "server/sandbox/syntax_error.h"
#include "server/sandbox/utf8.h"

namespace errand::sandbox {
namespace {

constexpr char kAnonymous[] = "script";  // In messages of scripts without a name: "script:3: ...".
// What compiling may take; a source text is at most 1 MiB.
constexpr size_t kCompileMemoryBytes = 256 << 20;

std::string_view MessageOn(lua_State* thread) {
  size_t size;
  const char* data = lua_tolstring(thread, -1, &size);
  return data == nullptr ? std::string_view() : std::string_view(data, size);
}

}  // namespace

Compiler::Compiler(Heap* heap, Memory* memory, const Image* image, lua_State* script)
    : heap_(heap), memory_(memory), image_(image), script_(script) {}

bool Compiler::Load(lua_State* thread, std::string_view chunk_name, std::string_view source) {
  // "=": it is a name, not the source itself. In the heap, as the run may be abandoned meanwhile.
  lua_pushliteral(thread, "=");
  if (chunk_name.empty()) {
    lua_pushstring(thread, kAnonymous);
  } else {
    lua_pushlstring(thread, chunk_name.data(), chunk_name.size());
  }
  lua_concat(thread, 2);
  const int status = luaL_loadbufferx(thread, source.data(), source.size(), lua_tostring(thread, -1), "t");
  lua_remove(thread, -2);
  return status == LUA_OK;
}

struct Compiler::Compilation {
  Compiler* self;
  std::string_view chunk_name;
  std::string_view source;
  bool compiles = false;

  static void Run(void* compilation) {
    auto& [self, chunk_name, source, compiles] = *static_cast<Compilation*>(compilation);
    self->memory_->SetLimit(kCompileMemoryBytes);
    compiles = Load(self->script_, chunk_name, source);
    if (compiles) lua_gc(self->script_, LUA_GCCOLLECT);
  }
};

bool Compiler::CompileFresh(std::string_view chunk_name, std::string_view source, std::string& problem) {
  image_->Restore(*heap_);
  // All workers are to come to the same image.
  memory_->Clear();
  Compilation compilation{this, chunk_name, source};
  const Ending ending = interrupts::Guard(&Compilation::Run, &compilation);
  memory_->Trim(image_->size() + Memory::kKeptBytes);
  if (ending != Ending::kOk) {
    problem = "compiling it takes more than " + std::to_string(kCompileMemoryBytes >> 20) + " MiB of memory";
    return false;
  }
  if (!compilation.compiles) problem = CleanUtf8(MessageOn(script_), kMaxErrorBytes);
  return compilation.compiles;
}

std::unique_ptr<CompiledScript> Compiler::Compile(const Script& script) {
  auto compiled = std::make_unique<CompiledScript>();
  if (CompileFresh(script.chunk_name, script.source, compiled->problem_)) {
    compiled->image_ = std::make_unique<const Image>(*heap_);
  }
  return compiled;
}

size_t Compiler::Consumed(std::string_view source) {
  struct Reader {
    std::string_view source;
    size_t consumed = 0;

    static const char* Next(lua_State*, void* reader, size_t* size) {
      auto& [source, consumed] = *static_cast<Reader*>(reader);
      *size = consumed < source.size() ? 1 : 0;
      return *size == 0 ? nullptr : &source[consumed++];
    }
    struct Context {
      Reader* reader;
      lua_State* thread;
    };
    static void Load(void* context) {
      auto& [reader, thread] = *static_cast<Context*>(context);
      lua_load(thread, &Reader::Next, reader, kAnonymous, "t");
    }
  };
  image_->Restore(*heap_);
  Reader reader{source};
  Reader::Context context{&reader, script_};
  interrupts::Guard(&Reader::Load, &context);
  // The last byte is the one behind what the error is near.
  return reader.consumed == source.size() ? reader.consumed : reader.consumed - 1;
}

Checked Compiler::Check(std::string_view source) {
  Checked checked;
  checked.compiles = CompileFresh(kAnonymous, source, problem_);
  if (!checked.compiles) {
    checked.problem = problem_;
    const SourcePosition position = LocateSyntaxError(problem_, kAnonymous, source, Consumed(source));
    checked.line = position.line;
    checked.column = position.column;
  }
  return checked;
}

}  // namespace errand::sandbox
