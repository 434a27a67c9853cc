#ifndef ERRAND_TESTS_BENCH_PEER_LOAD_H_
#define ERRAND_TESTS_BENCH_PEER_LOAD_H_

#include "tests/bench/durable_load.h"
#include "tests/bench/measurement.h"
#include "tests/bench/peer.h"

namespace errand::bench {

// Starts the peer, and puts the load on it over up to 64 connections, which this thread serves.
Measurement MeasurePeer(const Peer& peer, const DurableLoad& load);

}  // namespace errand::bench

#endif  // ERRAND_TESTS_BENCH_PEER_LOAD_H_
