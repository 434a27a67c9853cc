#include "tests/store/dump.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/text_format.h"

namespace errand::store {
namespace {

std::string Text(const google::protobuf::Message& message) {
  std::string text;
  google::protobuf::TextFormat::PrintToString(message, &text);
  return text;
}

}  // namespace

absl::StatusOr<std::vector<v1::Task>> ListAll(StoreFixture& fixture) {
  std::vector<v1::Task> tasks;
  ListRequest request;
  request.view = v1::TASK_VIEW_FULL;
  for (;;) {
    absl::StatusOr<ListPage> page = fixture.List(request);
    if (!page.ok()) return page.status();
    tasks.insert(tasks.end(), std::make_move_iterator(page->tasks.begin()),
                 std::make_move_iterator(page->tasks.end()));
    if (!page->more) return tasks;
    request.after_order = page->last_order;
  }
}

std::optional<absl::StatusOr<EventBatch>> EventsOf(StoreFixture& fixture, const std::string& name,
                                                   int64_t after) {
  auto batch = StoreFixture::Await<absl::StatusOr<EventBatch>>([&](auto done) {
    TaskStore& store = fixture.store();
    store.StopWaiting(store.Watch({name, after, 10'000}, std::move(done)));
  });
  if (absl::IsCancelled(batch.status())) return std::nullopt;
  return batch;
}

absl::StatusOr<std::string> Dump(StoreFixture& fixture) {
  std::string dump;
  const auto tasks = ListAll(fixture);
  if (!tasks.ok()) return tasks.status();
  for (const v1::Task& task : *tasks) {
    absl::StrAppend(&dump, "== ", task.name(), "\n", Text(task));
    const auto events = EventsOf(fixture, task.name(), 0);
    if (!events.has_value()) continue;
    if (!events->ok()) return events->status();
    for (const auto& event : (*events)->events) absl::StrAppend(&dump, "-- event\n", Text(*event));
  }
  const auto queues = fixture.ListQueues({"", 1'000'000});
  if (!queues.ok()) return queues.status();
  for (const v1::Queue& queue : queues->queues) {
    absl::StrAppend(&dump, "== ", queue.name(), "\n", Text(queue));
  }
  const auto scripts = fixture.ListScripts({"", 1'000'000});
  if (!scripts.ok()) return scripts.status();
  for (const v1::Script& listed : scripts->scripts) {
    absl::StrAppend(&dump, "== ", listed.name(), "\n");
    // Older versions are there as long as a task refers to them.
    for (int64_t version = std::max<int64_t>(1, listed.version() - 100); version <= listed.version();
         ++version) {
      const auto script = fixture.GetScript(listed.name(), version);
      if (script.ok()) absl::StrAppend(&dump, Text(*script));
      if (!script.ok() && !absl::IsNotFound(script.status())) return script.status();
    }
  }
  return dump;
}

}  // namespace errand::store
