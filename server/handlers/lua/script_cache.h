#ifndef ERRAND_SERVER_HANDLERS_LUA_SCRIPT_CACHE_H_
#define ERRAND_SERVER_HANDLERS_LUA_SCRIPT_CACHE_H_

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "server/sandbox/wire.h"
#include "server/task/script.h"

namespace errand::handlers {

// A script that workers compile once, to run many times. Lives as long as an attempt holds it, whose
// difference may be one from its image.
struct CachedScript {
  absl::string_view source() const { return registered == nullptr ? inline_source : registered->source; }

  sandbox::ScriptNumber number;
  std::string chunk_name;  // What messages call it; empty of an inline one.
  std::string inline_source;
  size_t hash;                                     // Of that.
  std::shared_ptr<const task::Script> registered;  // Or null.
};

// Decides which scripts are worth that: registered ones, and others that come a second time, as long as they
// are among the last ones used. One thread at a time.
class ScriptCache {
 public:
  static constexpr size_t kMaxScripts = 64;

  // A source and its hash, which takes a while for a long one.
  struct Source {
    explicit Source(absl::string_view text) : text(text), hash(absl::HashOf(text)) {}
    explicit Source(const CachedScript& script) : text(script.inline_source), hash(script.hash) {}

    template <typename H>
    friend H AbslHashValue(H state, const Source& source) {
      return H::combine(std::move(state), source.hash);
    }
    friend bool operator==(const Source& a, const Source& b) { return a.hash == b.hash && a.text == b.text; }

    absl::string_view text;
    size_t hash;
  };

  // Null for a script that is not worth it, now.
  std::shared_ptr<const CachedScript> FindInline(const Source& source);

  std::shared_ptr<const CachedScript> Find(const std::shared_ptr<const task::Script>& script);

 private:
  static constexpr size_t kMaxBytes = 4 << 20;  // Of source: images take several times as much.
  static constexpr size_t kMaxSeenOnce = 4096;

  using Recent = std::list<std::shared_ptr<const CachedScript>>;

  std::shared_ptr<const CachedScript> Touch(Recent::iterator script);
  // Makes room, too.
  void Add(CachedScript script);

  Recent recent_;  // The last used first.
  // Keys are the sources of inline scripts in `recent_`, and the others.
  absl::flat_hash_map<Source, Recent::iterator> by_source_;
  absl::flat_hash_map<const task::Script*, Recent::iterator> by_registered_;
  size_t bytes_ = 0;
  // Hashes of sources that came once. Two of one hash do no harm.
  absl::flat_hash_set<size_t> seen_once_;
  sandbox::ScriptNumber last_number_ = 0;
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_LUA_SCRIPT_CACHE_H_
