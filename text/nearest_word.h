#ifndef ERRAND_TEXT_NEAREST_WORD_H_
#define ERRAND_TEXT_NEAREST_WORD_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace errand::text {

// The one of `words` that whoever typed `word` is most likely to have meant; empty when none is near. Case
// does not count, nor does `-` in place of `_`. Typing errors are letters that are missing, too many, wrong,
// or swapped with their neighbour: about one in three letters may be wrong. A part of a word is near, too
// ("workers" for "lua_workers").
std::string NearestWord(absl::string_view word, const std::vector<std::string>& words);

// " (did you mean 'list'?)", or nothing when no word is near.
std::string Suggestion(absl::string_view word, const std::vector<std::string>& words);

}  // namespace errand::text

#endif  // ERRAND_TEXT_NEAREST_WORD_H_
