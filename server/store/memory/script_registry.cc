#include "server/store/memory/script_registry.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/task/errors.h"

namespace errand::store {
namespace {

// What a version takes beside its source, about: it counts, so that many small ones are bounded, too.
constexpr int64_t kVersionBytes = 512;

int64_t BytesOf(size_t source_bytes) { return static_cast<int64_t>(source_bytes) + kVersionBytes; }

}  // namespace

absl::Status ScriptRegistry::CheckRoom(absl::string_view name, size_t source_bytes) const {
  const ScriptVersion* replaced = FindCurrent(name);
  if (replaced == nullptr && static_cast<int64_t>(current_.size()) >= max_scripts_) {
    return task::ScriptsFull(absl::StrCat("the server has ", current_.size(), " scripts, the most allowed"));
  }
  const bool frees = replaced != nullptr && replaced->holders == 1;
  const int64_t freed = frees ? BytesOf(replaced->script->source.size()) : 0;
  if (bytes_ - freed + BytesOf(source_bytes) > max_bytes_) {
    return task::ScriptsFull(absl::StrCat("the scripts and those versions of them that tasks refer to take ",
                                          bytes_, " bytes; ", source_bytes, " more would exceed ",
                                          max_bytes_));
  }
  return absl::OkStatus();
}

int64_t ScriptRegistry::NextVersion(absl::string_view name) const {
  const auto line = lines_.find(name);
  return (line == lines_.end() ? last_forgotten_version_ : line->second.last_version) + 1;
}

ScriptVersion* ScriptRegistry::Add(const std::string& name, int64_t number, std::string source,
                                   absl::Time now) {
  bytes_ += BytesOf(source.size());
  Line& line = lines_[name];
  line.last_version = std::max(line.last_version, number);
  auto owned = std::make_unique<ScriptVersion>();
  ScriptVersion* const version = owned.get();
  version->script = std::make_shared<const task::Script>(task::Script{name, number, std::move(source)});
  version->create_time = now;
  line.versions.emplace(number, std::move(owned));
  return version;
}

ScriptVersion* ScriptRegistry::Put(std::string name, int64_t number, std::string source, absl::Time now) {
  ScriptVersion* const version = Add(name, number, std::move(source), now);
  version->holders = 1;
  ScriptVersion* const replaced = std::exchange(current_[std::move(name)], version);
  if (replaced != nullptr) Release(replaced);
  return version;
}

ScriptVersion* ScriptRegistry::PutRetired(const std::string& name, int64_t number, std::string source,
                                          absl::Time now) {
  return Add(name, number, std::move(source), now);
}

void ScriptRegistry::SetLastVersion(const std::string& name, int64_t version) {
  Line& line = lines_[name];
  line.last_version = std::max(line.last_version, version);
  if (line.versions.empty()) Retire(name);
}

std::vector<std::pair<std::string, int64_t>> ScriptRegistry::LastVersions() const {
  std::vector<std::pair<std::string, int64_t>> last;
  for (const auto& [name, line] : lines_) {
    const bool shows = !line.versions.empty() && line.versions.rbegin()->first == line.last_version;
    if (!shows) last.emplace_back(name, line.last_version);
  }
  return last;
}

std::vector<JournalPlace> ScriptRegistry::Places() const {
  std::vector<JournalPlace> places;
  for (const auto& [name, line] : lines_) {
    for (const auto& [number, version] : line.versions) places.push_back(version->place);
  }
  return places;
}

bool ScriptRegistry::Delete(absl::string_view name) {
  const auto it = current_.find(name);
  if (it == current_.end()) return false;
  ScriptVersion* version = it->second;
  current_.erase(it);
  Release(version);
  return true;
}

ScriptVersion* ScriptRegistry::FindCurrent(absl::string_view name) const {
  const auto it = current_.find(name);
  return it == current_.end() ? nullptr : it->second;
}

ScriptVersion* ScriptRegistry::Find(absl::string_view name, int64_t version) const {
  const auto line = lines_.find(name);
  if (line == lines_.end()) return nullptr;
  const auto it = line->second.versions.find(version);
  return it == line->second.versions.end() ? nullptr : it->second.get();
}

std::vector<const ScriptVersion*> ScriptRegistry::ListAfter(absl::string_view name, int max) const {
  std::vector<const ScriptVersion*> versions;
  for (auto it = current_.upper_bound(name); it != current_.end() && static_cast<int>(versions.size()) < max;
       ++it) {
    versions.push_back(it->second);
  }
  return versions;
}

void ScriptRegistry::Release(ScriptVersion* version) {
  if (--version->holders > 0) return;
  const std::shared_ptr<const task::Script> script = version->script;
  bytes_ -= BytesOf(script->source.size());
  Line& line = lines_.find(script->name)->second;
  line.versions.erase(script->version);
  if (line.versions.empty()) Retire(script->name);
}

void ScriptRegistry::Retire(const std::string& name) {
  retired_.push_back(name);
  while (static_cast<int64_t>(retired_.size()) > max_scripts_) {
    // It may have been registered again, and retired again: then it goes early, which does no harm.
    const auto line = lines_.find(retired_.front());
    if (line != lines_.end() && line->second.versions.empty()) {
      last_forgotten_version_ = std::max(last_forgotten_version_, line->second.last_version);
      lines_.erase(line);
    }
    retired_.pop_front();
  }
}

}  // namespace errand::store
