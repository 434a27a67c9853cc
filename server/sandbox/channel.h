#ifndef ERRAND_SERVER_SANDBOX_CHANNEL_H_
#define ERRAND_SERVER_SANDBOX_CHANNEL_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "server/sandbox/wire.h"

namespace errand::sandbox {

// The sandbox's end of the socket: frames in, events out. The process ends when the server has gone or does
// not keep to the format.
//
// Events are gathered, so that a short task costs one write; a timer's signal writes what has waited for 10
// milliseconds, while the script computes. There is one Channel in a process, and it uses SIGALRM.
class Channel {
 public:
  // `fd` is borrowed.
  explicit Channel(int fd);
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Waits for the next frame. What it views is valid until the next call.
  Frame Read();

  // Events of the running attempt. Output that follows output joins it, and progress that follows progress
  // replaces it, as long as that was not written.
  void SendOutput(std::string_view data);
  void SendLog(LogLevel level, std::string_view message);
  void SendProgress(double completed, double total, std::string_view message);

  // Any other frame; written at once, with all events before it.
  template <class F>
  void Send(const F& frame) {
    const Guard guard(*this);
    Append(frame, buffer_);
    last_frame_ = kNone;
    Write();
  }

  // Writes what was gathered.
  void Flush();

  // Flushes and waits. The process ends when the server has gone.
  void Sleep(int64_t nanos);

 private:
  // Keeps the signal from writing a buffer that is being changed.
  class Guard {
   public:
    explicit Guard(Channel& channel);
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    Channel& channel_;
  };

  static constexpr size_t kNone = static_cast<size_t>(-1);

  static void OnAlarm(int);
  void Gathered();
  void Write();

  const int fd_;
  FrameReader reader_;
  std::string buffer_;
  // Where the last frame starts in `buffer_`, if it is output or progress that may still be changed.
  size_t last_frame_ = kNone;
  bool last_is_progress_ = false;
  // Shared with the signal handler, which runs on the same thread.
  std::atomic<bool> guarded_ = false;
  std::atomic<bool> due_ = false;
  std::atomic<bool> armed_ = false;
};

}  // namespace errand::sandbox

#endif  // ERRAND_SERVER_SANDBOX_CHANNEL_H_
