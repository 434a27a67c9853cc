#include "client/cli/queue_card.h"

#include <map>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "client/cli/card.h"
#include "client/cli/printable.h"

namespace errand::cli {
namespace {

using Parts = std::vector<std::string>;

std::string Word(absl::string_view name, absl::string_view prefix) {
  absl::ConsumePrefix(&name, prefix);
  return absl::StrReplaceAll(absl::AsciiStrToLower(name), {{"_", " "}});
}

std::string StateWord(v1::QueueState state) { return Word(v1::QueueState_Name(state), "QUEUE_STATE_"); }

std::string DescribeRate(const v1::RateLimit& limit) {
  Parts parts;
  if (limit.tasks_per_second() > 0) parts.push_back(absl::StrFormat("%g/s", limit.tasks_per_second()));
  if (limit.burst() > 0) parts.push_back(absl::StrCat("burst ", limit.burst()));
  return absl::StrJoin(parts, ", ");
}

std::string DescribeRetry(const v1::RetryPolicy& policy) {
  Parts parts;
  if (policy.max_attempts() > 0)
    parts.push_back(absl::StrCat("at most ", policy.max_attempts(), " attempts"));
  if (policy.has_min_backoff()) {
    parts.push_back(absl::StrCat("backoff from ", DescribeDuration(policy.min_backoff())));
  }
  if (policy.has_max_backoff()) {
    parts.push_back(absl::StrCat("backoff to ", DescribeDuration(policy.max_backoff())));
  }
  if (policy.multiplier() > 0) parts.push_back(absl::StrFormat("times %g", policy.multiplier()));
  return absl::StrJoin(parts, ", ");
}

std::string DescribeLimits(const v1::Limits& limits) {
  Parts parts;
  if (limits.has_cpu_time()) parts.push_back(absl::StrCat("cpu ", DescribeDuration(limits.cpu_time())));
  if (limits.memory_bytes() > 0) parts.push_back(absl::StrCat("memory ", limits.memory_bytes(), " bytes"));
  if (limits.output_bytes() > 0) parts.push_back(absl::StrCat("output ", limits.output_bytes(), " bytes"));
  return absl::StrJoin(parts, ", ");
}

std::string DescribeRetention(const v1::Retention& retention) {
  Parts parts;
  if (retention.has_max_age()) parts.push_back(DescribeDuration(retention.max_age()));
  if (retention.max_count() > 0) parts.push_back(absl::StrCat(retention.max_count(), " ended tasks"));
  return absl::StrJoin(parts, ", ");
}

std::string DescribeCapacity(const v1::Capacity& capacity) {
  Parts parts;
  if (capacity.max_tasks() > 0) parts.push_back(absl::StrCat(capacity.max_tasks(), " tasks"));
  if (capacity.max_bytes() > 0) parts.push_back(absl::StrCat(capacity.max_bytes(), " bytes"));
  return absl::StrJoin(parts, ", ");
}

}  // namespace

std::string QueueCard(const v1::Queue& queue) {
  std::string card;
  AddFact(card, "name", Printable(queue.name()));
  AddFact(card, "state", StateWord(queue.state()));
  AddFact(card, "rate", DescribeRate(queue.rate_limit()));
  if (queue.max_running() > 0) AddFact(card, "running", absl::StrCat("at most ", queue.max_running()));
  if (queue.weight() > 0) AddFact(card, "weight", absl::StrCat(queue.weight()));
  AddFact(card, "retry", DescribeRetry(queue.default_retry_policy()));
  AddFact(card, "limits", DescribeLimits(queue.default_limits()));
  AddFact(card, "retention", DescribeRetention(queue.retention()));
  AddFact(card, "capacity", DescribeCapacity(queue.capacity()));
  AddFact(card, "etag", Printable(queue.etag()));
  return card;
}

std::string StatsCard(const v1::QueueStats& stats) {
  std::string card;
  // In the order of a task's life.
  for (int state = v1::TaskState_MIN; state <= v1::TaskState_MAX; ++state) {
    if (!v1::TaskState_IsValid(state)) continue;
    const std::string& name = v1::TaskState_Name(state);
    const auto count = stats.tasks_by_state().find(name);
    if (count != stats.tasks_by_state().end()) {
      AddFact(card, Word(name, "TASK_STATE_"), absl::StrCat(count->second));
    }
  }
  if (stats.has_oldest_queued_age()) AddFact(card, "oldest", DescribeDuration(stats.oldest_queued_age()));
  AddFact(card, "created",
          absl::StrFormat("%.2f/s over 1m, %.2f/s over 5m", stats.created_per_second_1m(),
                          stats.created_per_second_5m()));
  AddFact(card, "ended",
          absl::StrFormat("%.2f/s over 1m, %.2f/s over 5m", stats.ended_per_second_1m(),
                          stats.ended_per_second_5m()));
  if (stats.held_by() != v1::HELD_BY_UNSPECIFIED) {
    AddFact(card, "held by", Word(v1::HeldBy_Name(stats.held_by()), "HELD_BY_"));
  }
  return card;
}

Table QueueTable() { return Table({"NAME", "STATE", "RATE", "RUNNING", "WEIGHT", "CAPACITY"}); }

std::vector<Table::Cell> QueueRow(const v1::Queue& queue) {
  const auto or_dash = [](std::string text) { return Table::Cell{text.empty() ? "-" : std::move(text)}; };
  return {{Printable(queue.name())},
          {StateWord(queue.state())},
          or_dash(DescribeRate(queue.rate_limit())),
          or_dash(queue.max_running() > 0 ? absl::StrCat("at most ", queue.max_running()) : ""),
          or_dash(queue.weight() > 0 ? absl::StrCat(queue.weight()) : ""),
          or_dash(DescribeCapacity(queue.capacity()))};
}

}  // namespace errand::cli
