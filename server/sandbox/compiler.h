#ifndef ERRAND_SERVER_SANDBOX_COMPILER_H_
#define ERRAND_SERVER_SANDBOX_COMPILER_H_

#include <cstddef>
#include <lua.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "server/sandbox/heap.h"
#include "server/sandbox/image.h"
#include "server/sandbox/memory.h"
#include "server/sandbox/wire.h"

namespace errand::sandbox {

// A script that was compiled once, to run many times.
class CompiledScript {
 public:
  // Null when it does not compile; `problem` says why.
  const Image* image() const { return image_.get(); }
  const std::string& problem() const { return problem_; }

 private:
  friend class Compiler;
  std::unique_ptr<const Image> image_;
  std::string problem_;
};

// Compiles scripts, each in a heap that is restored from an image: between runs.
class Compiler {
 public:
  // All are borrowed. `script` is the thread of the image that the compiled function is left in.
  Compiler(Heap* heap, Memory* memory, const Image* image, lua_State* script);

  Compiler(const Compiler&) = delete;
  Compiler& operator=(const Compiler&) = delete;

  std::unique_ptr<CompiledScript> Compile(const Script& script);

  // Says whether a source compiles. What the answer views is valid until the next call.
  Checked Check(std::string_view source);

  // Pushes the function, or the message of the error; false then. A chunk without a name is "script".
  static bool Load(lua_State* thread, std::string_view chunk_name, std::string_view source);

 private:
  struct Compilation;

  // False, and `problem` says why, when it does not compile.
  bool CompileFresh(std::string_view chunk_name, std::string_view source, std::string& problem);
  // How much of a source that does not compile Lua reads to see that.
  size_t Consumed(std::string_view source);

  Heap* const heap_;
  Memory* const memory_;
  const Image* const image_;
  lua_State* const script_;
  std::string problem_;  // Of Check.
};

}  // namespace errand::sandbox

#endif  // ERRAND_SERVER_SANDBOX_COMPILER_H_
