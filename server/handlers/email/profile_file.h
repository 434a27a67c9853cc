#ifndef ERRAND_SERVER_HANDLERS_EMAIL_PROFILE_FILE_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_PROFILE_FILE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/handlers/email/smtp_profile.h"

namespace errand::handlers {

// The profiles that `text` says, see smtp_profiles.proto; what it leaves open is as in `defaults`.
// INVALID_ARGUMENT with line and column, or the profile and the field, and what would be right. Looks into no
// other file.
absl::StatusOr<std::vector<SmtpProfile>> ParseSmtpProfiles(absl::string_view text,
                                                           const SmtpProfile& defaults);

// The same of a file of at most 1 MiB. The error names it.
absl::StatusOr<std::vector<SmtpProfile>> ReadSmtpProfiles(const std::string& path,
                                                          const SmtpProfile& defaults);

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_PROFILE_FILE_H_
