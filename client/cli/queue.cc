#include <cstdio>

#include "client/cli/exit_code.h"
#include "client/cli/json.h"
#include "client/cli/queue_card.h"
#include "client/cli/queue_request.h"
#include "client/cli/verbs.h"

namespace errand::cli {
namespace {

int Show(const Session& session, const absl::StatusOr<v1::Queue>& queue) {
  if (!queue.ok()) return session.Fail(queue.status());
  const Format format = session.arguments().format;
  const std::string text =
      format == Format::kTable ? QueueCard(*queue) : ToJson(*queue, format == Format::kJson);
  std::fputs(text.c_str(), stdout);
  return kDone;
}

}  // namespace

int QueueList(Session& session) {
  const Format format = session.arguments().format;
  Table table = QueueTable();
  v1::ListQueuesResponse all;
  const absl::Status status = session.queues().List(
      [&](const v1::Queue& queue) {
        if (format == Format::kTable) table.Add(QueueRow(queue));
        if (format == Format::kJsonl) std::fputs(ToJson(queue).c_str(), stdout);
        if (format == Format::kJson) *all.add_queues() = queue;
        return true;
      },
      session.options());
  table.Flush();
  if (!status.ok()) return session.Fail(status);
  if (format == Format::kJson) std::fputs(ToJson(all, true).c_str(), stdout);
  return kDone;
}

int QueueGet(Session& session) {
  return Show(session, session.queues().Get(session.arguments().queue.name, session.options()));
}

int QueueSet(Session& session) {
  const v1::UpdateQueueRequest request = BuildQueueRequest(session.arguments().queue);
  return Show(session, session.queues().Update(request, session.options()));
}

int QueuePause(Session& session) {
  return Show(session, session.queues().Pause(session.arguments().queue.name, session.options()));
}

int QueueResume(Session& session) {
  return Show(session, session.queues().Resume(session.arguments().queue.name, session.options()));
}

int QueuePurge(Session& session) {
  const Arguments& arguments = session.arguments();
  const absl::StatusOr<int64_t> count = session.queues().Purge(arguments.queue.name, session.options());
  if (!count.ok()) return session.Fail(count.status());
  if (arguments.format == Format::kTable) {
    std::printf("%lld\n", static_cast<long long>(*count));
    return kDone;
  }
  v1::PurgeQueueResponse response;
  response.set_purged_count(*count);
  std::fputs(ToJson(response, arguments.format == Format::kJson, true).c_str(), stdout);
  return kDone;
}

int QueueDelete(Session& session) {
  const Arguments& arguments = session.arguments();
  v1::DeleteQueueRequest request;
  request.set_name(arguments.queue.name);
  request.set_etag(arguments.queue.etag);
  request.set_force(arguments.queue.force);
  request.set_allow_missing(arguments.queue.allow_missing);
  const absl::StatusOr<int64_t> count = session.queues().Delete(request, session.options());
  if (!count.ok()) return session.Fail(count.status());
  if (arguments.format == Format::kTable) {
    std::printf("%lld\n", static_cast<long long>(*count));
    return kDone;
  }
  v1::DeleteQueueResponse response;
  response.set_deleted_task_count(*count);
  std::fputs(ToJson(response, arguments.format == Format::kJson, true).c_str(), stdout);
  return kDone;
}

int QueueStats(Session& session) {
  const Arguments& arguments = session.arguments();
  const absl::StatusOr<v1::QueueStats> stats =
      session.queues().Stats(arguments.queue.name, session.options());
  if (!stats.ok()) return session.Fail(stats.status());
  // A program that plots them wants the zeros as well.
  const std::string text = arguments.format == Format::kTable
                               ? StatsCard(*stats)
                               : ToJson(*stats, arguments.format == Format::kJson, true);
  std::fputs(text.c_str(), stdout);
  return kDone;
}

}  // namespace errand::cli
