#ifndef ERRAND_TESTS_BENCH_LOAD_H_
#define ERRAND_TESTS_BENCH_LOAD_H_

#include <grpcpp/channel.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/bench/caller.h"
#include "tests/bench/measurement.h"
#include "tests/bench/server_process.h"

namespace errand::bench {

// A closed loop: so many callers, each of which starts its next call when the one before is over.
struct Load {
  int callers = 1;
  absl::Duration warm_up;
  absl::Duration duration;
};

using MakeCaller = std::function<std::unique_ptr<Caller>(const std::shared_ptr<grpc::Channel>&)>;

// Connections that so many callers share: one for one caller, otherwise four.
int ConnectionsFor(int callers);

// So many established connections to a server.
std::vector<std::shared_ptr<grpc::Channel>> Connect(const std::string& address, int connections);

// Puts the load on the server. Fails when a call fails.
Measurement MeasureLoad(const ServerProcess& server, const Load& load, const MakeCaller& make_caller);

}  // namespace errand::bench

#endif  // ERRAND_TESTS_BENCH_LOAD_H_
