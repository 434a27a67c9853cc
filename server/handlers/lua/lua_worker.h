#ifndef ERRAND_SERVER_HANDLERS_LUA_LUA_WORKER_H_
#define ERRAND_SERVER_HANDLERS_LUA_LUA_WORKER_H_

#include <deque>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "server/handlers/lua/lua_attempt.h"
#include "server/handlers/lua/lua_handler.h"
#include "server/handlers/lua/sandbox_process.h"
#include "server/handlers/lua/script_cache.h"
#include "server/io/timer.h"
#include "server/sandbox/wire.h"

namespace errand::handlers {

// A process and the attempts that it was fed.
struct LuaHandler::Worker final : SandboxProcess::Owner {
  explicit Worker(LuaHandler& handler) : handler(handler) {}
  void OnFrame(const sandbox::Frame& frame) override { handler.OnFrame(*this, frame); }
  void OnDeath(const SandboxProcess::Death& death) override { handler.OnDeath(*this, death); }

  LuaAttempt* Find(AttemptId id) const {
    for (LuaAttempt* attempt : batch) {
      if (attempt->id() == id) return attempt;
    }
    return nullptr;
  }

  LuaHandler& handler;
  std::shared_ptr<SandboxProcess> process;  // Null while it is being forked; then constant.

  // Guarded by the handler's mutex.
  State state = State::kStarting;
  std::deque<LuaAttempt*> batch;  // In order; the first one runs.
  absl::Duration turn_start;
  absl::Duration asked_at = absl::InfiniteDuration();  // When it was asked to give way, this turn.
  absl::Duration kill_at = absl::InfiniteDuration();   // As the first one was told to stop.
  bool broken = false;                                 // It did not keep to the protocol.
  bool stuck = false;                                  // It does not give way: another takes its place.
  absl::flat_hash_map<sandbox::ScriptNumber, std::weak_ptr<const CachedScript>> scripts;  // That it knows.

  // Owned by the loop's thread.
  std::unique_ptr<io::Timer> start_timeout;
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_LUA_LUA_WORKER_H_
