#ifndef ERRAND_SERVER_STORE_LOG_DATA_BACKUP_H_
#define ERRAND_SERVER_STORE_LOG_DATA_BACKUP_H_

#include "absl/status/status.h"
#include "server/store/log/data_check.h"
#include "server/store/log/file_system.h"

namespace errand::store::log {

// Copies the log of a folder that a server may be using meanwhile, into an empty one, and checks the copy. It
// has all that was acknowledged before the call, and, of what came later, all up to some moment.
//
// FAILED_PRECONDITION: `to` is not empty. DATA_LOSS: `from` is damaged. After an error `to` has no log.
absl::Status BackupData(const FileSystem& from, FileSystem& to, SayLine say);

}  // namespace errand::store::log

#endif  // ERRAND_SERVER_STORE_LOG_DATA_BACKUP_H_
