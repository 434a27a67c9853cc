#include "server/sandbox/worker.h"

#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>
#include <variant>

#include "server/sandbox/interrupts.h"

namespace errand::sandbox {
namespace {

// Of CPU time; the kernel rounds it up to its own tick, 1 to 10 milliseconds.
constexpr int kTickMicros = 2'000;
// So much more CPU time than its limit a run has in C++ code that cannot be left.
constexpr int64_t kPatienceNanos = 100'000'000;
// A batch that has taken so many gives its rest back.
constexpr int kLongTicks = 2;

Worker* the_worker = nullptr;

void Listen(int signal, struct sigaction action) {
  // No signal blocks another: a handler that jumps would not come to unblock it.
  sigemptyset(&action.sa_mask);
  action.sa_flags |= SA_NODEFER | SA_RESTART;
  sigaction(signal, &action, nullptr);
}

uint64_t AttemptOf(const siginfo_t* info) {
  return static_cast<uint64_t>(reinterpret_cast<uintptr_t>(info->si_value.sival_ptr));
}

}  // namespace

Worker::Worker(Channel* channel, Interpreter* interpreter) : channel_(channel), interpreter_(interpreter) {
  the_worker = this;
}

void Worker::ListenToSignals() {
  struct sigaction action = {};
  action.sa_flags = SA_SIGINFO;
  action.sa_sigaction = &Worker::OnStop;
  Listen(SIGRTMIN + kStopSignal, action);
  action.sa_sigaction = &Worker::OnGiveWay;
  Listen(SIGRTMIN + kGiveWaySignal, action);
  action.sa_flags = 0;
  action.sa_handler = &Worker::OnTick;
  Listen(SIGPROF, action);
  const itimerval ticks = {{0, kTickMicros}, {0, kTickMicros}};
  setitimer(ITIMER_PROF, &ticks, nullptr);
#if !defined(__SANITIZE_ADDRESS__)
  // On a stack of its own: running out of stack is one of the ways to get here.
  static char stack[64 << 10];
  const stack_t alternate = {stack, 0, sizeof stack};
  sigaltstack(&alternate, nullptr);
  action.sa_handler = &Worker::OnCrash;
  action.sa_flags = SA_ONSTACK | static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE}) Listen(signal, action);
#endif
}

void Worker::OnStop(int, siginfo_t* info, void*) {
  const int error = errno;
  Worker& self = *the_worker;
  if (!self.interpreter_->Stop(AttemptOf(info))) {
    self.stopped_[self.stops_ % kRemembered] = AttemptOf(info);
    self.stops_ = self.stops_ + 1;
  }
  errno = error;
}

void Worker::OnGiveWay(int, siginfo_t* info, void*) {
  const int error = errno;
  the_worker->interpreter_->GiveWay(AttemptOf(info));
  errno = error;
}

void Worker::OnTick(int) {
  const int error = errno;
  Worker& self = *the_worker;
  if (self.interpreter_->IsRunning()) {
    if (self.ticked_batch_ != self.channel_->batch_number()) {
      self.ticked_batch_ = self.channel_->batch_number();
      self.ticks_ = 0;
    }
    ++self.ticks_;
    if (interrupts::InHostSection()) {
      // A script may spend nearly all its time in them, so that no tick comes elsewhere.
      interrupts::CallAfterHostSection(&Worker::Report);
    } else {
      Report();
      interrupts::CheckPoint();
    }
    // As a rule it has jumped out of here.
    if (self.interpreter_->CheckCpuTime() > kPatienceNanos) _exit(kCpuExceededStatus);
  }
  errno = error;
}

void Worker::Report() {
  Worker& self = *the_worker;
  if (self.ticks_ >= kLongTicks) self.channel_->ReturnRest();
  self.channel_->Flush();
}

// When this returns the instruction is tried again, and SA_RESETHAND has seen to it that the process dies.
void Worker::OnCrash(int) {
  if (!interrupts::InHostSection()) the_worker->channel_->Flush();
}

void Worker::Serve(int fd) {
  channel_->set_fd(fd);
  interpreter_->StartClock();
  channel_->Send(Ready{});
  for (;;) {
    const Frame frame = channel_->Next();
    std::visit([this](const auto& taken) { Handle(taken); }, frame);
  }
}

void Worker::Handle(const Run& run) {
  if (MayBegin(run.attempt)) interpreter_->Execute(run, Find(run.script));
}

void Worker::Handle(const Resume& resume) {
  if (MayBegin(resume.attempt)) interpreter_->Continue(resume, Find(resume.script));
}

void Worker::Handle(const Check& check) { channel_->Send(interpreter_->Check(check.source)); }

void Worker::Handle(const Script& script) { scripts_[script.script] = interpreter_->Compile(script); }

void Worker::Handle(const Forget& forget) { scripts_.erase(forget.script); }

// Nothing else is sent to a worker.
void Worker::Handle(...) { _exit(2); }

bool Worker::MayBegin(uint64_t attempt) {
  if (stops_ == 0) return true;
  for (const volatile uint64_t& stopped : stopped_) {
    if (stopped != attempt) continue;
    channel_->Send(Returned{attempt});
    return false;
  }
  return true;
}

const CompiledScript* Worker::Find(ScriptNumber number) {
  if (number == 0) return nullptr;
  const auto found = scripts_.find(number);
  if (found == scripts_.end()) _exit(2);
  return found->second.get();
}

}  // namespace errand::sandbox
