#ifndef ERRAND_TESTS_BENCH_PEER_H_
#define ERRAND_TESTS_BENCH_PEER_H_

#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace errand::bench {

// What a peer's clients have counted.
struct PeerTally {
  int64_t finished = 0;
  std::vector<float> put_us;  // From the sending of a job to its acknowledgement.
};

// One connection of a client that is producer and worker at once, as bytes: it keeps so many jobs
// outstanding, as Errand's load does. It puts a job and takes one in one go; when it is handed a job it says
// that the job is done, and when that is acknowledged comes the next.
class PeerConnection {
 public:
  using Clock = std::chrono::steady_clock;

  virtual ~PeerConnection() = default;

  // Appends what to send first.
  virtual void Start(int jobs, std::string& out) = 0;

  // Takes what it understands off the front of `in` and appends what to send. Fails at an error of the peer.
  virtual void Take(absl::string_view& in, std::string& out, PeerTally& tally) = 0;
};

// A work queue that others have made.
struct Peer {
  std::string name;     // What it makes durable, and when, included.
  std::string package;  // Debian's.
  std::string program;  // Its path.
  // Rather than by send, which makes answers a part of what it writes.
  bool answers_by_write = false;

  bool installed() const { return access(program.c_str(), X_OK) == 0; }

  // Its command line, to keep its jobs in `folder`.
  std::function<std::vector<std::string>(const std::string& folder, int port)> command;
  std::function<std::unique_ptr<PeerConnection>(size_t payload_bytes)> connect;
};

// https://raw.githubusercontent.com/beanstalkd/beanstalkd/master/doc/protocol.txt
Peer Beanstalkd();
// The same with its default, which loses up to 50 ms of acknowledged jobs with the machine.
Peer BeanstalkdThatSyncsLate();

// A reliable queue of lists (https://redis.io/docs/latest/commands/lmove/): LPUSH, BLMOVE, LREM.
Peer Redis();
// The same with clients that do not wait for a job's end: the next one goes out with LREM. So a job takes one
// round trip and, beside others, one sync; up to twice as many are not acknowledged.
Peer RedisThatRunsAhead();

// http://gearman.org/protocol/: background jobs, kept in SQLite.
Peer Gearmand();

}  // namespace errand::bench

#endif  // ERRAND_TESTS_BENCH_PEER_H_
