#include "text/nearest_word.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace errand::text {
namespace {

// Longer ones are no typing errors, and comparing them takes time.
constexpr size_t kMaxWord = 100;
// Shorter ones are a part of too many words.
constexpr size_t kMinPart = 4;

std::string Normalized(absl::string_view word) {
  return absl::StrReplaceAll(absl::AsciiStrToLower(word), {{"-", "_"}});
}

// How many typing errors make `b` of `a` ("optimal string alignment").
size_t Distance(absl::string_view a, absl::string_view b) {
  // Rows of the table of distances between the beginnings of both: that of `a`'s current letter, and two
  // before.
  std::vector<size_t> row(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> before_last(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    before_last.swap(last);
    last.swap(row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, last[j] + 1, row[j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
  }
  return row[b.size()];
}

}  // namespace

std::string NearestWord(absl::string_view word, const std::vector<std::string>& words) {
  if (word.empty() || word.size() > kMaxWord) return "";
  const std::string typed = Normalized(word);
  const std::string* nearest = nullptr;
  size_t least = (typed.size() + 2) / 3 + 1;  // That many errors are too many.
  for (const std::string& candidate : words) {
    const size_t distance = Distance(typed, Normalized(candidate));
    if (distance >= least) continue;
    least = distance;
    nearest = &candidate;
  }
  if (nearest != nullptr) return *nearest;
  // The shortest one that it is a part of, or that is a part of it.
  for (const std::string& candidate : words) {
    const std::string known = Normalized(candidate);
    if (std::min(typed.size(), known.size()) < kMinPart) continue;
    if (!absl::StrContains(known, typed) && !absl::StrContains(typed, known)) continue;
    if (nearest == nullptr || candidate.size() < nearest->size()) nearest = &candidate;
  }
  return nearest != nullptr ? *nearest : "";
}

std::string Suggestion(absl::string_view word, const std::vector<std::string>& words) {
  const std::string nearest = NearestWord(word, words);
  return nearest.empty() ? "" : absl::StrCat(" (did you mean '", nearest, "'?)");
}

}  // namespace errand::text
