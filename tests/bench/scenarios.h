#ifndef ERRAND_TESTS_BENCH_SCENARIOS_H_
#define ERRAND_TESTS_BENCH_SCENARIOS_H_

#include <string>
#include <vector>

#include "tests/bench/options.h"
#include "tests/bench/table.h"

namespace errand::bench {

// errandd on a port of its own, with these flags besides.
std::vector<std::string> ErranddCommand(const Options& options, const std::vector<std::string>& flags);

// CreateTask against the floor.
Table MeasureCreateTask(const Options& options);

// RunTask of a trivial script, from the call to the terminal event, against an empty unary call.
Table MeasureRunTask(const Options& options);

// Log lines of a script on their way to its watchers.
Table MeasureWatch(const Options& options);

// What watchers of a busy queue cost its tasks.
Table MeasureQueueWatch(const Options& options);

// CreateTask while every delivery hangs, against CreateTask while nothing is delivered.
Table MeasureSubmission(const Options& options);

// GetTask beside 20,000 streams on which nothing happens.
Table MeasureIdleStreams(const Options& options);

// The ways to submit many tasks, each against the floor.
Table MeasureBatches(const Options& options);

// What a waiting task takes in the memory store, and whether depth slows a claim.
Table MeasureStore(const Options& options);

// What a task costs in the durable log.
Table MeasureLog(const Options& options);

// Durable tasks, in the store and over gRPC, beside other queues that make theirs durable.
Table MeasureDurable(const Options& options);

// How often the durable store writes a payload.
Table MeasurePayloads(const Options& options);

// How soon a server has the tasks of its data folder again, and what memory they take.
Table MeasureStartup(const Options& options);

// Whether the durable store's disk use and start stay bounded over a week in simulated time.
Table MeasureWeek(const Options& options);

// What a sandbox process adds to a trivial script and to a loop.
Table MeasureScripts(const Options& options);

// What a script that sleeps takes, and how late it wakes.
Table MeasureParking(const Options& options);

// How soon a runaway's slot is usable again, and how scripts share the workers.
Table MeasureStopping(const Options& options);

// Whether a server's memory stays what it is while it is used for long.
Table MeasureSoak(const Options& options);

}  // namespace errand::bench

#endif  // ERRAND_TESTS_BENCH_SCENARIOS_H_
