#ifndef ERRAND_SERVER_STORE_MEMORY_SCRIPT_REGISTRY_H_
#define ERRAND_SERVER_STORE_MEMORY_SCRIPT_REGISTRY_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/store/memory/journal.h"
#include "server/task/script.h"

namespace errand::store {

// One version of a script, as the registry keeps it.
struct ScriptVersion {
  std::shared_ptr<const task::Script> script;
  absl::Time create_time;
  JournalPlace place = 0;
  int64_t holders = 0;  // The tasks that refer to it, and one more where it is the current version.
};

// The scripts that tasks may name. A version lives while it is current or a task holds it. Guarded by the
// store's mutex.
class ScriptRegistry {
 public:
  // At most `max_scripts` names, and `max_bytes` of all the versions that are kept.
  ScriptRegistry(int64_t max_scripts, int64_t max_bytes) : max_scripts_(max_scripts), max_bytes_(max_bytes) {}

  // Whether there is room for a version of this size: RESOURCE_EXHAUSTED if not.
  absl::Status CheckRoom(absl::string_view name, size_t source_bytes) const;
  // What the next version of a name is called.
  int64_t NextVersion(absl::string_view name) const;
  // Makes `source`, for which there is room, the current version; `number` is NextVersion or higher. Borrowed
  // from the registry.
  ScriptVersion* Put(std::string name, int64_t number, std::string source, absl::Time now);
  // False where there is no such name.
  bool Delete(absl::string_view name);

  // Of a registry that is made again: adds a version that is not current, and that somebody will hold.
  ScriptVersion* PutRetired(const std::string& name, int64_t number, std::string source, absl::Time now);
  // The same: the last version that a name had, behind all that are put; and the highest of those names that
  // are not remembered.
  void SetLastVersion(const std::string& name, int64_t version);
  void SetLastForgottenVersion(int64_t version) { last_forgotten_version_ = version; }
  // What these have to be told: of the names whose last version is gone.
  std::vector<std::pair<std::string, int64_t>> LastVersions() const;
  int64_t last_forgotten_version() const { return last_forgotten_version_; }
  int64_t bytes() const { return bytes_; }
  // Of all versions.
  std::vector<JournalPlace> Places() const;

  // Null where it is not kept. Borrowed from the registry.
  ScriptVersion* FindCurrent(absl::string_view name) const;
  ScriptVersion* Find(absl::string_view name, int64_t version) const;
  // The current versions of up to `max` scripts that follow a name, by name.
  std::vector<const ScriptVersion*> ListAfter(absl::string_view name, int max) const;

  // A task refers to it; no longer does.
  static void Hold(ScriptVersion* version) { ++version->holders; }
  void Release(ScriptVersion* version);

 private:
  // The versions of one name, current or held by tasks.
  struct Line {
    int64_t last_version = 0;
    absl::btree_map<int64_t, std::unique_ptr<ScriptVersion>> versions;
  };

  ScriptVersion* Add(const std::string& name, int64_t number, std::string source, absl::Time now);
  void Retire(const std::string& name);

  const int64_t max_scripts_;
  const int64_t max_bytes_;

  absl::btree_map<std::string, ScriptVersion*> current_;
  absl::flat_hash_map<std::string, Line> lines_;
  int64_t bytes_ = 0;
  // A name without versions goes on counting as long as its line is remembered: these are, the oldest first.
  // Once it is not, every new name starts behind its last version.
  std::deque<std::string> retired_;
  int64_t last_forgotten_version_ = 0;
};

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_SCRIPT_REGISTRY_H_
