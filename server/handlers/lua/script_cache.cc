#include "server/handlers/lua/script_cache.h"

#include <utility>

#include "absl/hash/hash.h"

namespace errand::handlers {

std::shared_ptr<const CachedScript> ScriptCache::Find(const std::string& chunk_name,
                                                      const std::string& source) {
  if (const auto found = by_source_.find(source); found != by_source_.end()) {
    // A script of the same text under another name is compiled on its own, each time: messages name it.
    if ((*found->second)->chunk_name != chunk_name) return nullptr;
    recent_.splice(recent_.begin(), recent_, found->second);
    return recent_.front();
  }
  const size_t hash = absl::HashOf(source);
  if (seen_once_.erase(hash) == 0) {
    if (seen_once_.size() >= kMaxSeenOnce) seen_once_.clear();
    seen_once_.insert(hash);
    return nullptr;
  }
  recent_.push_front(std::make_shared<const CachedScript>(CachedScript{++last_number_, chunk_name, source}));
  by_source_[recent_.front()->source] = recent_.begin();
  bytes_ += source.size();
  while (recent_.size() > 1 && (recent_.size() > kMaxScripts || bytes_ > kMaxBytes)) {
    Drop(std::prev(recent_.end()));
  }
  return recent_.front();
}

void ScriptCache::Drop(Recent::iterator last) {
  bytes_ -= (*last)->source.size();
  by_source_.erase((*last)->source);
  recent_.erase(last);
}

}  // namespace errand::handlers
