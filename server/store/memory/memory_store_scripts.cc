// The scripts of the memory store.
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/store/memory/answer.h"
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

// Its source is copied only where the answer is given.
absl::AnyInvocable<void(const absl::Status&)> AnswerScript(Callback<absl::StatusOr<v1::Script>> done,
                                                           absl::StatusOr<ScriptVersion> version) {
  return [done = std::move(done), version = std::move(version)](const absl::Status& safe) mutable {
    if (!safe.ok()) version = safe;
    if (version.ok()) {
      done(View(*version, /*with_source=*/true));
    } else {
      done(version.status());
    }
  };
}

}  // namespace

absl::StatusOr<ScriptVersion> MemoryStore::PutOneScript(PutScriptRequest& request) {
  if (!refusal_.ok()) return refusal_;
  const clock::Moment now = Now();
  ForgetOldRequestIds(now.instant);
  std::string request_key = absl::StrCat(request.name, "\n", request.request_id);
  if (const auto it = request_ids_.find(request_key);
      !request.request_id.empty() && it != request_ids_.end()) {
    int64_t number = 0;
    (void)absl::SimpleAtoi(it->second->outcome, &number);
    if (const ScriptVersion* first = scripts_.Find(request.name, number)) return *first;
    return task::Error(absl::StatusCode::kAlreadyExists, "SCRIPT_NOT_KEPT",
                       absl::StrCat("request_id: what this request registered, version ", number, " of '",
                                    request.name, "', is no longer kept"));
  }
  absl::Status room = scripts_.CheckRoom(request.name, request.source.size());
  if (room.ok()) room = CheckSpace();
  if (!room.ok()) return room;
  if (request.validate_only) {
    task::Script script{request.name, scripts_.NextVersion(request.name), std::move(request.source)};
    return ScriptVersion{std::make_shared<const task::Script>(std::move(script)), now.time};
  }
  const int64_t number = scripts_.NextVersion(request.name);
  ScriptVersion& added = *scripts_.Put(std::move(request.name), number, std::move(request.source), now.time);
  const JournalPlace place = LogScriptPut(added, request.request_id);
  if (!request.request_id.empty()) {
    RememberRequest(std::move(request_key), absl::StrCat(added.script->version), now.instant, place);
  }
  return added;
}

void MemoryStore::PutScript(PutScriptRequest request, Callback<absl::StatusOr<v1::Script>> done) {
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    deferred.push_back(AnswerScript(std::move(done), PutOneScript(request)));
    Commit(deferred);
  }
  deferred.Run();
}

void MemoryStore::GetScript(GetScriptRequest request, Callback<absl::StatusOr<v1::Script>> done) {
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    absl::StatusOr<ScriptVersion> version;
    if (!refusal_.ok()) {
      version = refusal_;
    } else if (const ScriptVersion* found = request.version == 0
                                                ? scripts_.FindCurrent(request.name)
                                                : scripts_.Find(request.name, request.version)) {
      version = *found;
    } else {
      // A revision is named as AIP-162 has it.
      const std::string suffix = request.version == 0 ? "" : absl::StrCat("@", request.version);
      version = task::NotFound("script", request.name + suffix);
    }
    deferred.push_back(AnswerScript(std::move(done), std::move(version)));
    Commit(deferred);
  }
  deferred.Run();
}

void MemoryStore::ListScripts(NamePage request, Callback<absl::StatusOr<ScriptPage>> done) {
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    absl::StatusOr<ScriptPage> page = ScriptPage();
    if (!refusal_.ok()) {
      page = refusal_;
    } else {
      for (const ScriptVersion* version : scripts_.ListAfter(request.after_name, request.max_entries + 1)) {
        page->more = static_cast<int>(page->scripts.size()) == request.max_entries;
        if (!page->more) page->scripts.push_back(View(*version, /*with_source=*/false));
      }
    }
    deferred.push_back(Answer(std::move(done), std::move(page)));
    Commit(deferred);
  }
  deferred.Run();
}

void MemoryStore::DeleteScript(std::string name, Callback<absl::Status> done) {
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    absl::Status status = CheckChanges();
    if (status.ok() && !scripts_.Delete(name)) status = task::NotFound("script", name);
    if (status.ok()) LogScriptDeleted(name);
    deferred.push_back(Answer(std::move(done), std::move(status)));
    Commit(deferred);
  }
  deferred.Run();
}

}  // namespace errand::store
