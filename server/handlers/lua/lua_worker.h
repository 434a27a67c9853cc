#ifndef ERRAND_SERVER_HANDLERS_LUA_LUA_WORKER_H_
#define ERRAND_SERVER_HANDLERS_LUA_LUA_WORKER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "server/handlers/lua/lua_attempt.h"
#include "server/handlers/lua/lua_handler.h"
#include "server/handlers/lua/sandbox_process.h"
#include "server/handlers/lua/script_cache.h"
#include "server/handlers/lua/shares.h"
#include "server/io/timer.h"
#include "server/sandbox/wire.h"

namespace errand::handlers {

// A process and the attempts that it was fed.
struct LuaWorker final : SandboxProcess::Owner {
  enum class State : uint8_t { kStarting, kIdle, kBusy, kEnding };
  // How it keeps an attempt that does not run: the only one of its batch.
  enum class Holding : uint8_t {
    kNone,
    kWaiting,  // The script waits to be told to go on.
    kFrozen,   // The process is stopped (SIGSTOP): the script could not be made to wait.
  };

  explicit LuaWorker(LuaHandler& handler) : handler(handler) {}
  void OnFrame(const sandbox::Frame& frame) override { handler.OnFrame(*this, frame); }
  void OnDeath(const SandboxProcess::Death& death) override { handler.OnDeath(*this, death); }

  LuaAttempt* Find(AttemptId id) const {
    for (LuaAttempt* attempt : batch) {
      if (attempt->id() == id) return attempt;
    }
    return nullptr;
  }

  // It takes one of the places for those that run.
  bool runs() const { return state == State::kBusy && holding == Holding::kNone && !overruns; }
  // It does, or will soon, or could.
  bool is_available() const { return state != State::kEnding && holding == Holding::kNone && !overruns; }

  LuaHandler& handler;
  std::shared_ptr<SandboxProcess> process;  // Null while it is being forked; then constant.

  // Guarded by the handler's mutex.
  State state = State::kStarting;
  Holding holding = Holding::kNone;
  bool broken = false;            // It did not keep to the protocol.
  bool overruns = false;          // The first one does not give way, and it still has others behind that.
  std::deque<LuaAttempt*> batch;  // In order; the first one runs.
  std::shared_ptr<Share> share;   // Of the queue that its batch began with; null without a batch.
  size_t reserved_bytes = 0;      // What the batch may make it take.
  size_t held_bytes = 0;          // What it takes while it holds an attempt.
  absl::Duration turn_start;
  absl::Duration asked_at = absl::InfiniteDuration();  // When it was asked to give way, this turn.
  absl::Duration cpu_asked_at;                         // Its CPU time then.
  absl::Duration kill_at = absl::InfiniteDuration();   // As the first one was told to stop.
  absl::flat_hash_map<sandbox::ScriptNumber, std::weak_ptr<const CachedScript>> scripts;  // That it knows.

  // Owned by the loop's thread.
  std::unique_ptr<io::Timer> start_timeout;
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_LUA_LUA_WORKER_H_
