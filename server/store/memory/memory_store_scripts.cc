// The scripts of the memory store.
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/store/memory/memory_store.h"
#include "server/task/duration.h"
#include "server/task/errors.h"

namespace errand::store {
namespace {

// Called without the mutex: sources may be large.
v1::Script View(const ScriptVersion& version, bool with_source) {
  v1::Script view;
  view.set_name(version.script->name);
  view.set_version(version.script->version);
  *view.mutable_create_time() = task::ToProto(version.create_time);
  if (with_source) view.set_source(version.script->source);
  return view;
}

}  // namespace

absl::StatusOr<ScriptVersion> MemoryStore::PutOneScript(PutScriptRequest& request) {
  if (closed_) return task::ShuttingDown();
  const absl::Time now = Now();
  ForgetOldRequestIds(now);
  std::string request_key = absl::StrCat(request.name, "\n", request.request_id);
  if (const auto it = request_ids_.find(request_key);
      !request.request_id.empty() && it != request_ids_.end()) {
    int64_t number = 0;
    (void)absl::SimpleAtoi(it->second, &number);
    if (const ScriptVersion* first = scripts_.Find(request.name, number)) return *first;
    return task::Error(absl::StatusCode::kAlreadyExists, "SCRIPT_NOT_KEPT",
                       absl::StrCat("request_id: what this request registered, version ", number, " of '",
                                    request.name, "', is no longer kept"));
  }
  absl::Status room = scripts_.CheckRoom(request.name, request.source.size());
  if (!room.ok()) return room;
  if (request.validate_only) {
    task::Script script{request.name, scripts_.NextVersion(request.name), std::move(request.source)};
    return ScriptVersion{std::make_shared<const task::Script>(std::move(script)), now};
  }
  const ScriptVersion& added = *scripts_.Put(std::move(request.name), std::move(request.source), now);
  if (!request.request_id.empty()) {
    RememberRequest(std::move(request_key), absl::StrCat(added.script->version), now);
  }
  return added;
}

void MemoryStore::PutScript(PutScriptRequest request, Callback<absl::StatusOr<v1::Script>> done) {
  absl::StatusOr<ScriptVersion> version;
  {
    absl::MutexLock lock(&mu_);
    version = PutOneScript(request);
  }
  if (version.ok()) {
    done(View(*version, /*with_source=*/true));
  } else {
    done(version.status());
  }
}

void MemoryStore::GetScript(GetScriptRequest request, Callback<absl::StatusOr<v1::Script>> done) {
  absl::StatusOr<ScriptVersion> version = task::ShuttingDown();
  {
    absl::MutexLock lock(&mu_);
    if (!closed_) {
      const ScriptVersion* found = request.version == 0 ? scripts_.FindCurrent(request.name)
                                                        : scripts_.Find(request.name, request.version);
      if (found != nullptr) {
        version = *found;
      } else {
        // A revision is named as AIP-162 has it.
        const std::string suffix = request.version == 0 ? "" : absl::StrCat("@", request.version);
        version = task::NotFound("script", request.name + suffix);
      }
    }
  }
  if (version.ok()) {
    done(View(*version, /*with_source=*/true));
  } else {
    done(version.status());
  }
}

void MemoryStore::ListScripts(NamePage request, Callback<absl::StatusOr<ScriptPage>> done) {
  absl::StatusOr<ScriptPage> page = task::ShuttingDown();
  {
    absl::MutexLock lock(&mu_);
    if (!closed_) {
      page = ScriptPage();
      for (const ScriptVersion* version : scripts_.ListAfter(request.after_name, request.max_entries + 1)) {
        page->more = static_cast<int>(page->scripts.size()) == request.max_entries;
        if (!page->more) page->scripts.push_back(View(*version, /*with_source=*/false));
      }
    }
  }
  done(std::move(page));
}

void MemoryStore::DeleteScript(std::string name, Callback<absl::Status> done) {
  absl::Status status = task::ShuttingDown();
  {
    absl::MutexLock lock(&mu_);
    if (!closed_) status = scripts_.Delete(name) ? absl::OkStatus() : task::NotFound("script", name);
  }
  done(std::move(status));
}

}  // namespace errand::store
