// Redis: a list of what waits, a list of what is being worked on. With `appendfsync always` it syncs its
// append-only file once for all commands that it has read from all connections, and answers then.
#include <deque>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/bench/failure.h"
#include "tests/bench/peer.h"

namespace errand::bench {
namespace {

std::string Command(const std::vector<absl::string_view>& words) {
  std::string command = absl::StrCat("*", words.size(), "\r\n");
  for (const absl::string_view word : words)
    absl::StrAppend(&command, "$", word.size(), "\r\n", word, "\r\n");
  return command;
}

class RedisConnection final : public PeerConnection {
 public:
  RedisConnection(size_t payload_bytes, bool runs_ahead)
      : payload_bytes_(payload_bytes), runs_ahead_(runs_ahead) {}

  void Start(int jobs, std::string& out) override {
    for (int i = 0; i < jobs; ++i) Next(out);
  }

  void Take(absl::string_view& in, std::string& out, PeerTally& tally) override {
    for (size_t end; (end = in.find("\r\n")) != absl::string_view::npos;) {
      const absl::string_view line = in.substr(0, end);
      size_t used = end + 2;
      int64_t number = 0;
      if ((line[0] != ':' && line[0] != '$') || !absl::SimpleAtoi(line.substr(1), &number) || number < 1) {
        Fail(absl::StrCat("redis: ", line));
      }
      if (line[0] == '$') {  // BLMOVE.
        const auto bytes = static_cast<size_t>(number);
        if (in.size() < used + bytes + 2) return;
        const absl::string_view job = in.substr(used, bytes);
        used += bytes + 2;
        waiting_.pop_front();
        // Jobs are done about in the order in which they were moved, and the oldest is the last.
        out += Command({"LREM", "doing", "-1", job});
        waiting_.push_back({true, Clock::now()});
        if (runs_ahead_) Next(out);
      } else if (waiting_.front().is_removal) {
        waiting_.pop_front();
        ++tally.finished;
        if (!runs_ahead_) Next(out);
      } else {
        const auto took = Clock::now() - waiting_.front().at;
        waiting_.pop_front();
        tally.put_us.push_back(std::chrono::duration<float, std::micro>(took).count());
      }
      in.remove_prefix(used);
    }
  }

 private:
  // A command whose answer has not come.
  struct Waiting {
    bool is_removal;
    Clock::time_point at;
  };

  void Next(std::string& out) {
    // LREM looks for the value: no two may be the same.
    std::string job = absl::StrFormat("%016x", ++jobs_);
    job.resize(std::max(job.size(), payload_bytes_), 'x');
    out += Command({"LPUSH", "todo", job});
    waiting_.push_back({false, Clock::now()});
    out += Command({"BLMOVE", "todo", "doing", "RIGHT", "LEFT", "0"});
    waiting_.push_back({false, Clock::now()});
  }

  static inline int64_t jobs_ = 0;  // Of all connections.

  const size_t payload_bytes_;
  const bool runs_ahead_;
  std::deque<Waiting> waiting_;
};

Peer RedisWith(std::string name, bool runs_ahead) {
  Peer peer;
  peer.name = std::move(name);
  peer.package = "redis-server";
  peer.program = "/usr/bin/redis-server";
  peer.answers_by_write = true;
  peer.command = [program = peer.program](const std::string& folder, int port) -> std::vector<std::string> {
    // No snapshots beside the log. When the log is rewritten stays as it comes.
    return {program,        "--bind", "127.0.0.1",     "--port", absl::StrCat(port), "--dir", folder,
            "--appendonly", "yes",    "--appendfsync", "always", "--save",           ""};
  };
  peer.connect = [runs_ahead](size_t payload_bytes) {
    return std::make_unique<RedisConnection>(payload_bytes, runs_ahead);
  };
  return peer;
}

}  // namespace

Peer Redis() { return RedisWith("redis appendfsync always", false); }

Peer RedisThatRunsAhead() { return RedisWith("the same, done and next put in one go", true); }

}  // namespace errand::bench
