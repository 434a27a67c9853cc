#ifndef ERRAND_SERVER_STORE_MEMORY_JOURNAL_H_
#define ERRAND_SERVER_STORE_MEMORY_JOURNAL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace errand::store {

// Where a change stands in a journal; 0: nowhere. What comes later is greater.
using JournalPlace = uint64_t;

// Where a MemoryStore keeps what it is told, so that it can be told again: changes, in order (changes.proto).
// A change may have an attachment, which is not needed to make it again: that is read back when it is wanted.
//
// A journal consists of parts. The store drops the oldest one once it has said again what of it still counts.
//
// Any thread, with the store's mutex held if nothing else is said.
class Journal {
 public:
  // What a change takes beside its own bytes and its attachment's, about.
  static constexpr uint64_t kOverhead = 32;

  // OK, or why nothing is kept any more: StoreFailure; WhenSynced and WhenWritten, too, that the disk is
  // full: StillUnsafe. What was changed is kept then once there is space, AfterSynced is told of that.
  using Callback = absl::AnyInvocable<void(const absl::Status&)>;
  // Of a change, without its attachment; `bytes` is what both take.
  using Visit = absl::FunctionRef<absl::Status(JournalPlace, absl::string_view change, uint64_t bytes)>;
  using Attachments = absl::StatusOr<std::vector<std::string>>;

  // Attachments that are wanted. They are kept as long as it exists.
  class Reading {
   public:
    virtual ~Reading() = default;
    // Calls `done`, on a thread of the journal, with the attachments in the order of their places, or with
    // why they cannot be read: StoreFailure. Once. Any thread, with the mutex or without it.
    virtual void Start(absl::AnyInvocable<void(Attachments)> done) = 0;
  };

  // Every callback has been called when it returns.
  virtual ~Journal() = default;

  // Reads all the changes that are kept; before anything else, once. What `visit` answers ends the reading if
  // it is not OK. DATA_LOSS, saying where: something is missing that was safe. Changes nothing.
  virtual absl::Status Read(Visit visit) = 0;
  // What was read is all there should be: from now on the journal is changed, and what is below may be
  // called, FirstPart and PartName also before. Calls `failed`, without the mutex, once, if nothing
  // is kept any more, with why: StoreFailure.
  virtual absl::Status Start(Callback failed) = 0;

  // Adds a change to the group; where it will stand. Copies both.
  virtual JournalPlace Append(absl::string_view change, absl::string_view attachment = {}) = 0;
  // Ends the group: of a group all changes are kept, or none.
  virtual void EndGroup() = 0;

  // Whether all groups are safe, and whoever waited for that has been told.
  virtual bool IsSynced() const = 0;
  // What stands before this place is safe.
  virtual JournalPlace Synced() const = 0;
  // Calls `done`, never before the call returns, and in the order of the calls, once all groups that have
  // ended are safe; AfterSynced behind all that wait for that with WhenSynced; WhenWritten once they would
  // survive the end of this process, though not of the machine. It must not block.
  virtual void WhenSynced(Callback done) = 0;
  virtual void AfterSynced(Callback done) = 0;
  virtual void WhenWritten(Callback done) = 0;

  virtual std::unique_ptr<Reading> Hold(const std::vector<JournalPlace>& places) = 0;
  // The attachments of what is written, at once, or DATA_LOSS, or what the disk says. With the mutex or
  // without it, if the parts cannot go away.
  virtual Attachments ReadAttachments(const std::vector<JournalPlace>& places) = 0;

  // The number of the oldest part, 1 if none was dropped yet; 0 if there is none.
  virtual uint64_t FirstPart() const = 0;
  // How many there are, and what usually goes into one.
  virtual uint64_t Parts() const = 0;
  virtual uint64_t PartBytes() const = 0;
  // The oldest part; 0 if that is still being written.
  virtual uint64_t OldestPart() const = 0;
  // The part that a place is in.
  virtual uint64_t PartOf(JournalPlace place) const = 0;
  // What users know it by.
  virtual std::string PartName(uint64_t part) const = 0;
  // Its changes, or why they cannot be read, as Read has it. Any thread, without the mutex.
  virtual absl::Status ReadPart(uint64_t part, Visit visit) = 0;
  virtual absl::Status DropPart(uint64_t part) = 0;

  // Whether there is so little space that only what gives space back should be done.
  virtual bool IsLow() const = 0;
  // Whether the disk has been full for a second, and is: what is changed is kept, in memory, until there is
  // space. Any thread.
  virtual bool IsFull() const = 0;
  // What of the groups that have ended is not written yet.
  virtual uint64_t UnwrittenBytes() const = 0;
  // From now on a disk that is full is not waited for, but has failed.
  virtual void StopWaitingForSpace() = 0;
};

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_JOURNAL_H_
