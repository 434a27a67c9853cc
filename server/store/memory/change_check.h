#ifndef ERRAND_SERVER_STORE_MEMORY_CHANGE_CHECK_H_
#define ERRAND_SERVER_STORE_MEMORY_CHANGE_CHECK_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace errand::store {

class Change;

// DATA_LOSS: a journal that says so was not written by a store.
absl::Status Impossible(absl::string_view what);

// The same for a change that no store can have written, whatever was there before it: what is made of the
// others needs no care of its own. Whether it fits what was there, who makes it again has to see.
absl::Status CheckChange(const Change& change);

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_CHANGE_CHECK_H_
