#include "server/sandbox/interrupts.h"

#include <csetjmp>
#include <csignal>
#include <cstdint>

namespace errand::sandbox::interrupts {
namespace {

// Shared with the signal handlers, which run on the same thread.
sigjmp_buf out;
volatile std::sig_atomic_t guarded = 0;
volatile std::sig_atomic_t sections = 0;
volatile std::sig_atomic_t reason = 0;  // An Ending.
lua_State* volatile running = nullptr;
lua_State* volatile hooked = nullptr;  // The last thread that was given the hook and has not run it yet.
void (*volatile collect)(lua_State*) = nullptr;
void (*volatile give_way)(lua_State*) = nullptr;
void (*volatile after_section)() = nullptr;

void OnHook(lua_State* thread, lua_Debug*) {
  lua_sethook(thread, nullptr, 0, 0);
  hooked = nullptr;
  if (reason != 0) siglongjmp(out, 1);
  if (auto* const wished = collect; wished != nullptr) {
    collect = nullptr;
    wished(thread);
  }
  if (auto* const wished = give_way; wished != nullptr && lua_isyieldable(thread)) {
    give_way = nullptr;
    wished(thread);
  }
}

// lua_sethook may be called from a signal handler (lua.c does).
void SetHook() {
  lua_State* const thread = running;
  if (thread == nullptr) return;
  hooked = thread;
  lua_sethook(thread, OnHook, LUA_MASKCOUNT, 1);
}

}  // namespace

Ending Guard(void (*run)(void* context), void* context) {
  sections = 0;
  reason = 0;
  running = nullptr;
  hooked = nullptr;
  collect = nullptr;
  give_way = nullptr;
  after_section = nullptr;
  // The signal mask is neither saved nor restored, that would take system calls: handlers block no signals.
  if (sigsetjmp(out, 0) == 0) {
    guarded = 1;
    run(context);
  }
  guarded = 0;
  running = nullptr;
  return static_cast<Ending>(reason);
}

void Abandon(Ending why) {
  if (guarded == 0) return;
  if (reason == 0) reason = static_cast<std::sig_atomic_t>(why);
  if (sections == 0) siglongjmp(out, 1);
  SetHook();
}

Ending pending() { return static_cast<Ending>(reason); }

void CheckPoint() {
  if (guarded != 0 && sections == 0 && reason != 0) siglongjmp(out, 1);
}

void Decide() {
  guarded = 0;
  reason = 0;
}

HostSection::HostSection() { sections = sections + 1; }

HostSection::~HostSection() {
  sections = sections - 1;
  if (sections != 0) return;
  if (auto* const call = after_section; call != nullptr) {
    after_section = nullptr;
    call();
  }
}

bool InHostSection() { return sections != 0; }

void CallAfterHostSection(void (*call)()) { after_section = call; }

void SetRunning(lua_State* thread) { running = thread; }

void WishToCollect(void (*wished)(lua_State* thread)) {
  // Every allocation may come here until the hook runs.
  if (collect != nullptr && hooked == running) return;
  collect = wished;
  SetHook();
}

void WishToGiveWay(void (*wished)(lua_State* thread)) {
  if (guarded == 0) return;
  give_way = wished;
  SetHook();
}

}  // namespace errand::sandbox::interrupts
