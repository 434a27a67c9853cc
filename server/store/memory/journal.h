#ifndef ERRAND_SERVER_STORE_MEMORY_JOURNAL_H_
#define ERRAND_SERVER_STORE_MEMORY_JOURNAL_H_

#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace errand::store {

// Where a MemoryStore keeps what it is told, so that it can be told again: changes, in order (changes.proto).
// Everything but Read may be called by any thread, with the store's mutex held.
class Journal {
 public:
  // OK, or why nothing is kept any more.
  using Callback = absl::AnyInvocable<void(const absl::Status&)>;

  // Every callback has been called when it returns.
  virtual ~Journal() = default;

  // Reads all the changes that are kept; before anything else, once. What `visit` answers ends the reading if
  // it is not OK. DATA_LOSS, saying where: something is missing that was safe.
  virtual absl::Status Read(absl::FunctionRef<absl::Status(absl::string_view)> visit) = 0;

  // Adds a change to the group.
  virtual void Append(std::string change) = 0;
  // Ends the group: of a group all changes are kept, or none.
  virtual void EndGroup() = 0;

  // Whether all groups are safe.
  virtual bool IsSynced() const = 0;
  // Calls `done`, never before the call returns, and in the order of the calls, once all groups that have
  // ended are safe; or once they would survive the end of this process, though not of the machine. It must
  // not block.
  virtual void WhenSynced(Callback done) = 0;
  virtual void WhenWritten(Callback done) = 0;
};

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_JOURNAL_H_
