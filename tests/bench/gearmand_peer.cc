// gearmand: background jobs. It keeps them in SQLite, in a transaction of its own each, before it says
// JOB_CREATED. It never answers WORK_COMPLETE: an ECHO_REQ behind it is answered when it is done, because the
// packets of a connection are taken in order.
#include <unistd.h>

#include <deque>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/bench/failure.h"
#include "tests/bench/peer.h"

namespace errand::bench {
namespace {

enum PacketType : uint8_t {
  kCanDo = 1,
  kJobCreated = 8,
  kGrabJob = 9,
  kNoJob = 10,
  kJobAssign = 11,
  kWorkComplete = 13,
  kEchoRequest = 16,
  kEchoResponse = 17,
  kSubmitJobBackground = 18,
};

constexpr size_t kHeaderBytes = 12;
constexpr absl::string_view kFunction = "bench";

std::string BigEndian(size_t value) {
  std::string bytes;
  for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(value >> shift & 0xff);
  return bytes;
}

std::string Packet(PacketType type, absl::string_view data) {
  return absl::StrCat(absl::string_view("\0REQ", 4), BigEndian(type), BigEndian(data.size()), data);
}

class GearmandConnection final : public PeerConnection {
 public:
  explicit GearmandConnection(size_t payload_bytes) : payload_(payload_bytes, 'x') {}

  void Start(int jobs, std::string& out) override {
    out += Packet(kCanDo, kFunction);
    for (int i = 0; i < jobs; ++i) Next(out);
  }

  void Take(absl::string_view& in, std::string& out, PeerTally& tally) override {
    while (in.size() >= kHeaderBytes) {
      size_t size = 0;
      for (const char byte : in.substr(8, 4)) size = size << 8 | static_cast<unsigned char>(byte);
      if (in.size() < kHeaderBytes + size) return;
      const absl::string_view data = in.substr(kHeaderBytes, size);
      switch (in[7]) {
        case kJobCreated:
          tally.put_us.push_back(
              std::chrono::duration<float, std::micro>(Clock::now() - put_at_.front()).count());
          put_at_.pop_front();
          break;
        case kJobAssign:
          out += Packet(kWorkComplete, data.substr(0, data.find('\0') + 1));
          out += Packet(kEchoRequest, "");
          break;
        case kEchoResponse:
          ++tally.finished;
          Next(out);
          break;
        case kNoJob:
          out += Packet(kGrabJob, "");
          break;
        default:
          Fail(absl::StrCat("gearmand: packet ", static_cast<int>(in[7]), " ", data));
      }
      in.remove_prefix(kHeaderBytes + size);
    }
  }

 private:
  void Next(std::string& out) {
    put_at_.push_back(Clock::now());
    const std::string id = absl::StrCat(++jobs_);
    const absl::string_view zero("\0", 1);
    out += Packet(kSubmitJobBackground, absl::StrCat(kFunction, zero, id, zero, payload_));
    out += Packet(kGrabJob, "");
  }

  static inline int64_t jobs_ = 0;  // Of all connections: an id that is there names the job that is there.

  const std::string payload_;
  std::deque<Clock::time_point> put_at_;
};

}  // namespace

Peer Gearmand() {
  Peer peer;
  peer.name = "gearmand, SQLite";
  peer.package = "gearman-job-server";
  peer.program = "/usr/sbin/gearmand";
  peer.command = [program = peer.program](const std::string& folder, int port) {
    std::vector<std::string> command = {
        program,           "--listen=127.0.0.1",      absl::StrCat("--port=", port),
        "--log-file=none", "--queue-type=libsqlite3", absl::StrCat("--libsqlite3-db=", folder, "/jobs.db")};
    if (geteuid() == 0)
      command.push_back("--user=root");  // Otherwise it becomes one that has no folder here.
    return command;
  };
  peer.connect = [](size_t payload_bytes) { return std::make_unique<GearmandConnection>(payload_bytes); };
  return peer;
}

}  // namespace errand::bench
