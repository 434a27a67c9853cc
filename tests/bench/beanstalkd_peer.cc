// beanstalkd: put, reserve, delete. It writes and syncs on its only thread, command by command, and answers
// after the sync; commands may follow each other without waiting for answers, which come in their order.
#include <deque>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/bench/failure.h"
#include "tests/bench/peer.h"

namespace errand::bench {
namespace {

class BeanstalkdConnection final : public PeerConnection {
 public:
  explicit BeanstalkdConnection(size_t payload_bytes)
      : put_(absl::StrCat("put 0 0 120 ", payload_bytes, "\r\n", std::string(payload_bytes, 'x'), "\r\n")) {}

  void Start(int jobs, std::string& out) override {
    for (int i = 0; i < jobs; ++i) Next(out);
  }

  void Take(absl::string_view& in, std::string& out, PeerTally& tally) override {
    for (size_t end; (end = in.find("\r\n")) != absl::string_view::npos;) {
      const absl::string_view line = in.substr(0, end);
      size_t used = end + 2;
      if (absl::StartsWith(line, "INSERTED ")) {
        tally.put_us.push_back(
            std::chrono::duration<float, std::micro>(Clock::now() - put_at_.front()).count());
        put_at_.pop_front();
      } else if (absl::StartsWith(line, "RESERVED ")) {
        const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
        size_t bytes = 0;
        if (words.size() != 3 || !absl::SimpleAtoi(words[2], &bytes))
          Fail(absl::StrCat("beanstalkd: ", line));
        used += bytes + 2;
        if (in.size() < used) return;
        absl::StrAppend(&out, "delete ", words[1], "\r\n");
      } else if (line == "DELETED") {
        ++tally.finished;
        Next(out);
      } else {
        Fail(absl::StrCat("beanstalkd: ", line));
      }
      in.remove_prefix(used);
    }
  }

 private:
  void Next(std::string& out) {
    put_at_.push_back(Clock::now());
    absl::StrAppend(&out, put_, "reserve\r\n");
  }

  const std::string put_;
  std::deque<Clock::time_point> put_at_;
};

Peer BeanstalkdWith(std::string name, std::vector<std::string> flags) {
  Peer peer;
  peer.name = std::move(name);
  peer.package = "beanstalkd";
  peer.program = "/usr/bin/beanstalkd";
  peer.answers_by_write = true;
  peer.command = [program = peer.program, flags = std::move(flags)](const std::string& folder, int port) {
    std::vector<std::string> command = {program, "-l", "127.0.0.1", "-p", absl::StrCat(port), "-b", folder};
    command.insert(command.end(), flags.begin(), flags.end());
    return command;
  };
  peer.connect = [](size_t payload_bytes) { return std::make_unique<BeanstalkdConnection>(payload_bytes); };
  return peer;
}

}  // namespace

Peer Beanstalkd() { return BeanstalkdWith("beanstalkd -f 0, syncs every write", {"-f", "0"}); }

Peer BeanstalkdThatSyncsLate() { return BeanstalkdWith("beanstalkd, syncs every 50 ms", {}); }

}  // namespace errand::bench
