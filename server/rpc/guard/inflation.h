#ifndef ERRAND_SERVER_RPC_GUARD_INFLATION_H_
#define ERRAND_SERVER_RPC_GUARD_INFLATION_H_

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/rpc/guard/allowance.h"

namespace errand::rpc {

// How much compressed messages may become. gRPC 1.51 inflates a message whole before it looks how long it is:
// half a megabyte of gzip takes 690 MB. So this program defines zlib's inflate as well (inflate_call.cc), and
// a message that becomes too long is damaged for gRPC, which ends the call with INTERNAL. One for the
// process, as inflate is. Any thread.
class Inflation {
 public:
  // `message_bytes` is the longest message. All messages together may become as much beyond what data usually
  // compresses to, and again each second: what gRPC does with each megabyte takes it milliseconds. Before
  // gRPC serves; without it nothing is bounded.
  static void Limit(int64_t message_bytes);

  // For inflate_call.cc: `produced` more bytes have become of a message that is `out` bytes long by now, of
  // `in`. False when that is too much.
  static bool Grow(int64_t in, int64_t out, int64_t produced, double now);
};

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_GUARD_INFLATION_H_
