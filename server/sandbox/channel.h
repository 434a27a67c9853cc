#ifndef ERRAND_SERVER_SANDBOX_CHANNEL_H_
#define ERRAND_SERVER_SANDBOX_CHANNEL_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "server/sandbox/interrupts.h"
#include "server/sandbox/wire.h"

namespace errand::sandbox {

// The worker's end of the socket: batches in, frames out. The process ends when the server has gone or does
// not keep to the format.
//
// Frames are gathered, so that many short tasks cost one write; Worker's timer writes while a script
// computes.
class Channel {
 public:
  Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // From now on. `fd` is borrowed.
  void set_fd(int fd) { fd_ = fd; }
  int fd() const { return fd_; }

  // The next frame of the batch; when there is none, writes what was gathered and waits for another batch.
  // What it views is valid until the next call.
  Frame Next();

  // Counts the batches.
  unsigned batch_number() const { return batch_number_; }

  // Gives the runs of the batch that were not taken yet back to the server: this one takes long. Callable
  // from a signal handler that has not interrupted a HostSection.
  void ReturnRest();

  // Writes what was gathered and waits for the answer to a Call. What it views is valid until the next call.
  Answer ReadAnswer();

  // Output that follows output joins it, as long as that was not written. Progress replaces the last one when
  // nothing came between, or too many of them are to be written already.
  void Send(const Output& output);
  void Send(const Progress& progress);

  void Send(const Done& done);

  // Any other frame. The fields must be within their bounds.
  template <class F>
  void Send(const F& frame) {
    const interrupts::HostSection section;
    Append(frame, buffer_);
    last_output_ = kNone;
    if (buffer_.size() >= kFlushBytes) Write();
  }

  // Writes what was gathered. Callable as ReturnRest.
  void Flush();

 private:
  static constexpr size_t kNone = static_cast<size_t>(-1);
  static constexpr size_t kFlushBytes = 32 << 10;

  void SendPiece(const Output& output);
  void Read(std::string& batch);
  void Write();
  void Write(std::string_view bytes);

  int fd_ = -1;
  std::string batch_;
  std::string_view rest_;  // What was not taken of it.
  bool rest_returned_ = false;
  volatile unsigned batch_number_ = 0;
  std::string answer_;
  std::string buffer_;
  // Where the last frame starts in `buffer_`, if it is output that may still be extended.
  size_t last_output_ = kNone;
  // Where the last progress starts and ends, and how many there are.
  size_t last_progress_ = kNone;
  size_t last_progress_end_ = 0;
  int progress_reports_ = 0;
  uint64_t last_attempt_ = 0;  // That of both.
};

}  // namespace errand::sandbox

#endif  // ERRAND_SERVER_SANDBOX_CHANNEL_H_
