#ifndef ERRAND_SERVER_RPC_GUARD_METER_H_
#define ERRAND_SERVER_RPC_GUARD_METER_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "server/rpc/guard/allowance.h"
#include "server/rpc/guard/frame_parser.h"
#include "server/rpc/guard/totals.h"

// The guard: what stands between hostile clients and gRPC 1.51.
//
// That release, which every Debian carries, takes whatever a connection sends. It keeps a call for each
// stream that begins, also when the stream is reset in the next frame and the application has not come to see
// it (CVE-2023-44487: 4.5 GB in ten seconds); it gathers header blocks without end, and reads long strings
// and numbers in them in quadratic time (CVE-2023-33953: 12 s of CPU for 18 MiB); its bound on open streams
// does nothing to a client that does not acknowledge it; a message that never becomes whole is kept for ever;
// and PING, SETTINGS, WINDOW_UPDATE or DATA of one byte cost it more than who sends them. None of this has a
// setting, and a ResourceQuota makes everybody wait.
//
// So the bytes of each connection are metered where gRPC reads and writes them: this program defines recvmsg
// and sendmsg (socket_calls.cc), libgrpc calls those, and they show what passes to the connection's Meter
// before gRPC sees it. A Meter follows the frames both ways, which says what the client has begun and what
// the server has answered. A client may take much as long as it is given answers for what it asks: each frame
// of an answer earns it some frames of its own. One that takes without giving is cut in the middle of its
// read, before gRPC has to deal with the rest.
//
// Three things are bounded over all connections together (Totals), since a client may have many: open
// streams, bytes of messages that have not been answered, and streams that were reset before they were. When
// the first two are exceeded, Connections ends the ones that hold the most, for the longest.
//
// What is metered can only be seen in the clear. That the calls go through here depends on how the program is
// linked: the server tries it when it starts (MeterProbe), and says so in the log when they do not.
namespace errand::rpc {

// One connection: what has passed, what it holds, and whether it goes too far. Any thread.
class Meter {
 public:
  // Called once, when the connection is cut, with why ("sends ..."); on the thread that reads from it.
  using OnCut = absl::AnyInvocable<void(absl::string_view why)>;

  // `share` is how much of what is usual the client may take at first, up to 1.
  Meter(std::shared_ptr<Totals> totals, double share, double now, OnCut on_cut);
  ~Meter();

  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  // The client has sent the first `size` bytes of `pieces`. False when the connection must be cut now.
  bool Received(absl::Span<const iovec> pieces, size_t size, double now);
  // The server has sent the first `size` bytes of `pieces`.
  void Sent(absl::Span<const iovec> pieces, size_t size, double now);

  // The connection has ended: it holds nothing any more.
  void Close();

  bool has_received() const;

  struct Holdings {
    size_t streams = 0;            // That are open.
    int64_t unanswered_bytes = 0;  // Of their messages.
    double byte_seconds = 0;       // Those, by how long they have been held.
  };
  Holdings Holds(double now) const;

  // For `now`: seconds, of a clock that is cheap to read and never goes back.
  static double Now();

 private:
  struct Stream {
    double since = 0;  // When it began, or was last answered.
    int64_t unanswered_bytes = 0;
    bool answered = false;
  };

  absl::string_view OnClientFrame(const Frame& frame, double now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void OnServerFrame(const Frame& frame, double now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::string_view OnHeaders(const Frame& frame, double now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::string_view OnData(const Frame& frame, double now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::string_view OnReset(const Frame& frame, double now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::string_view OnOther(double cost, double now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::string_view Abandon(const Stream& stream, double now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Answered(Stream& stream, double now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void End(uint32_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::shared_ptr<Totals> totals_;
  const double share_;
  OnCut on_cut_;
  mutable absl::Mutex mu_;
  FrameParser client_ ABSL_GUARDED_BY(mu_);
  FrameParser server_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<uint32_t, Stream> streams_ ABSL_GUARDED_BY(mu_);  // Those that are open.
  uint32_t last_stream_ ABSL_GUARDED_BY(mu_) = 0;
  uint32_t header_bytes_ ABSL_GUARDED_BY(mu_) = 0;  // Of the header block that has not ended, else 0.
  int64_t unanswered_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  Allowance others_ ABSL_GUARDED_BY(mu_);     // Frames that are neither requests nor messages.
  Allowance pieces_ ABSL_GUARDED_BY(mu_);     // DATA frames, by how much is in them.
  Allowance abandoned_ ABSL_GUARDED_BY(mu_);  // Streams reset before they were answered.
  bool received_ ABSL_GUARDED_BY(mu_) = false;
  absl::string_view verdict_ ABSL_GUARDED_BY(mu_);  // Why it must be cut, or nothing.
  bool over_ ABSL_GUARDED_BY(mu_) = false;          // It has been cut, or has ended.
};

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_GUARD_METER_H_
