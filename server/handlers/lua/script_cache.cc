#include "server/handlers/lua/script_cache.h"

#include <utility>

namespace errand::handlers {

std::shared_ptr<const CachedScript> ScriptCache::FindInline(const Source& source) {
  if (const auto found = by_source_.find(source); found != by_source_.end()) return Touch(found->second);
  if (seen_once_.erase(source.hash) == 0) {
    if (seen_once_.size() >= kMaxSeenOnce) seen_once_.clear();
    seen_once_.insert(source.hash);
    return nullptr;
  }
  Add({.number = 0,
       .chunk_name = "",
       .inline_source = std::string(source.text),
       .hash = source.hash,
       .registered = nullptr});
  by_source_[Source(*recent_.front())] = recent_.begin();
  return recent_.front();
}

std::shared_ptr<const CachedScript> ScriptCache::Find(const std::shared_ptr<const task::Script>& script) {
  if (const auto found = by_registered_.find(script.get()); found != by_registered_.end()) {
    return Touch(found->second);
  }
  const std::string short_name = script->name.substr(script->name.rfind('/') + 1);
  Add({.number = 0, .chunk_name = short_name, .inline_source = "", .hash = 0, .registered = script});
  by_registered_[script.get()] = recent_.begin();
  return recent_.front();
}

std::shared_ptr<const CachedScript> ScriptCache::Touch(Recent::iterator script) {
  recent_.splice(recent_.begin(), recent_, script);
  return recent_.front();
}

void ScriptCache::Add(CachedScript script) {
  bytes_ += script.source().size();
  while (!recent_.empty() && (recent_.size() >= kMaxScripts || bytes_ > kMaxBytes)) {
    const CachedScript& last = *recent_.back();
    bytes_ -= last.source().size();
    if (last.registered == nullptr) {
      by_source_.erase(Source(last));
    } else {
      by_registered_.erase(last.registered.get());
    }
    recent_.pop_back();
  }
  script.number = ++last_number_;
  recent_.push_front(std::make_shared<const CachedScript>(std::move(script)));
}

}  // namespace errand::handlers
