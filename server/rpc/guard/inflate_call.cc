// zlib's inflate of this program, which libgrpc calls in the place of the library's: see inflation.h.
#include <dlfcn.h>
#include <zlib.h>

#include <cstdint>

#include "server/rpc/guard/inflation.h"
#include "server/rpc/guard/meter.h"

extern "C" int inflate(z_stream* stream, int flush) {
  static auto* const next = reinterpret_cast<decltype(inflate)*>(dlsym(RTLD_NEXT, "inflate"));
  const uLong before = stream->total_out;
  const int result = next(stream, flush);
  const auto out = static_cast<int64_t>(stream->total_out);
  const bool may =
      errand::rpc::Inflation::Grow(static_cast<int64_t>(stream->total_in), out,
                                   out - static_cast<int64_t>(before), errand::rpc::Meter::Now());
  return may ? result : Z_DATA_ERROR;
}
