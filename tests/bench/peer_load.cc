#include "tests/bench/peer_load.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/bench/disk_folder.h"
#include "tests/bench/failure.h"
#include "tests/bench/server_process.h"

namespace errand::bench {
namespace {

constexpr int kMaxConnections = 64;

// A connection's socket and what has come over it.
class Link {
 public:
  Link(int port, std::unique_ptr<PeerConnection> connection) : connection_(std::move(connection)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int yes = 1;
    if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0) {
      Fail("a peer takes no connections");
    }
  }
  ~Link() { close(fd_); }

  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  int fd() const { return fd_; }
  int64_t received_bytes() const { return received_bytes_; }

  void Start(int jobs) {
    connection_->Start(jobs, out_);
    Send();
  }

  // Reads once and answers.
  void Serve(PeerTally& tally) {
    char bytes[64 << 10];
    const ssize_t got = recv(fd_, bytes, sizeof bytes, 0);
    if (got <= 0) Fail("a peer has closed its connection");
    received_bytes_ += got;
    in_.append(bytes, static_cast<size_t>(got));
    absl::string_view rest = in_;
    connection_->Take(rest, out_, tally);
    in_.erase(0, in_.size() - rest.size());
    Send();
  }

 private:
  // Blocks, for no time: a few jobs are less than a socket's buffer.
  void Send() {
    for (size_t sent = 0; sent < out_.size();) {
      const ssize_t now = send(fd_, out_.data() + sent, out_.size() - sent, MSG_NOSIGNAL);
      if (now <= 0) Fail("a peer has closed its connection");
      sent += static_cast<size_t>(now);
    }
    out_.clear();
  }

  const int fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const std::unique_ptr<PeerConnection> connection_;
  int64_t received_bytes_ = 0;
  std::string in_;
  std::string out_;
};

}  // namespace

Measurement MeasurePeer(const Peer& peer, const DurableLoad& load) {
  const DiskFolder folder;
  const int port = FreePort();
  const ServerProcess server(peer.command(folder.path(), port), port);
  const int connections = std::min(load.outstanding, kMaxConnections);
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  std::vector<std::unique_ptr<Link>> links;
  for (int i = 0; i < connections; ++i) {
    links.push_back(std::make_unique<Link>(port, peer.connect(load.payload_bytes)));
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.ptr = links.back().get();
    epoll_ctl(epoll, EPOLL_CTL_ADD, links.back()->fd(), &event);
  }
  for (int i = 0; i < connections; ++i) {
    links[static_cast<size_t>(i)]->Start(load.outstanding / connections +
                                         (i < load.outstanding % connections ? 1 : 0));
  }
  const auto run_until = [&](absl::Time end) {
    PeerTally tally;
    epoll_event ready[kMaxConnections];
    while (absl::Now() < end) {
      const int count = epoll_wait(epoll, ready, kMaxConnections, 10);
      for (int i = 0; i < count; ++i) static_cast<Link*>(ready[i].data.ptr)->Serve(tally);
    }
    return tally;
  };
  run_until(absl::Now() + load.warm_up);
  const CpuTime cpu_before = server.Cpu();
  const auto written_to_files = [&] {
    int64_t bytes = server.WrittenBytes();
    if (!peer.answers_by_write) return bytes;
    for (const auto& link : links) bytes -= link->received_bytes();
    return bytes;
  };
  const int64_t written_before = written_to_files();
  const absl::Time start = absl::Now();
  PeerTally tally = run_until(start + load.duration);
  const absl::Duration elapsed = absl::Now() - start;
  const CpuTime cpu = server.Cpu() - cpu_before;
  const int64_t written = written_to_files() - written_before;
  close(epoll);
  if (tally.finished == 0) Fail(absl::StrCat(peer.name, " has finished nothing in the measured time"));
  const auto jobs = static_cast<double>(tally.finished);
  Measurement measured;
  measured.items_per_second = jobs / absl::ToDoubleSeconds(elapsed);
  measured.p50_us = Percentile(tally.put_us, 0.5);
  measured.p99_us = Percentile(tally.put_us, 0.99);
  measured.server_cpu_us = absl::ToDoubleMicroseconds(cpu.server) / jobs;
  measured.written_bytes = static_cast<double>(written) / jobs;
  return measured;
}

}  // namespace errand::bench
