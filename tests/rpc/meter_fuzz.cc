// A conversation, cut into pieces in two ways, must come to the same end.
#include <cstddef>
#include <cstdint>
#include <memory>

#include "server/rpc/guard/meter.h"

namespace {

using errand::rpc::Meter;
using errand::rpc::Totals;

// One side of the comparison: its own totals, and pieces of at most so many bytes.
struct Side {
  explicit Side(size_t bytes) : piece_bytes(bytes) {}

  void Pass(bool from_client, const uint8_t* data, size_t size, double now) {
    for (size_t done = 0; done < size && may_go_on;) {
      const size_t length = std::min(piece_bytes, size - done);
      const iovec piece{const_cast<uint8_t*>(data + done), length};
      if (from_client) {
        may_go_on = meter.Received({&piece, 1}, length, now);
      } else {
        meter.Sent({&piece, 1}, length, now);
      }
      done += length;
    }
  }

  const size_t piece_bytes;
  std::shared_ptr<Totals> totals =
      std::make_shared<Totals>(errand::rpc::GuardLimits{.streams_of_connection = 20});
  absl::string_view why;
  Meter meter{totals, 0.2, 0, [this](absl::string_view reason) { why = reason; }};
  bool may_go_on = true;
};

}  // namespace

// The first byte is how long pieces are. Then each byte says who sends the bytes behind it and how many: the
// client, as its preface makes it an HTTP/2 connection, or the server.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  Side whole(SIZE_MAX);
  Side pieces(1 + data[0] % 13);
  const absl::string_view preface = errand::rpc::FrameParser::kPreface;
  double now = 0;
  for (Side* side : {&whole, &pieces}) {
    side->Pass(true, reinterpret_cast<const uint8_t*>(preface.data()), preface.size(), now);
  }
  for (size_t at = 1; at < size;) {
    const bool from_client = (data[at] & 0x80) != 0;
    const size_t length = std::min<size_t>(data[at] & 0x7f, size - at - 1);
    ++at;
    now += 0.001;
    for (Side* side : {&whole, &pieces}) side->Pass(from_client, data + at, length, now);
    at += length;
  }
  const auto held = whole.meter.Holds(now);
  const auto held_in_pieces = pieces.meter.Holds(now);
  if (whole.why != pieces.why || whole.may_go_on != pieces.may_go_on ||
      held.streams != held_in_pieces.streams || held.unanswered_bytes != held_in_pieces.unanswered_bytes ||
      held.unanswered_bytes < 0 || whole.totals->streams() != static_cast<int64_t>(held.streams) ||
      whole.totals->unanswered_bytes() != held.unanswered_bytes) {
    __builtin_trap();
  }
  whole.meter.Close();
  if (whole.totals->streams() != 0 || whole.totals->unanswered_bytes() != 0) __builtin_trap();
  return 0;
}
