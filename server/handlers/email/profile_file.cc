#include "server/handlers/email/profile_file.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/text_format.h"
#include "server/handlers/email/smtp_profiles.pb.h"

namespace errand::handlers {
namespace {

constexpr int kMaxConnections = 10'000;

// Keeps the first thing that is wrong with a text.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, google::protobuf::io::ColumnNumber column, const std::string& message) override {
    if (text_.empty()) text_ = absl::StrCat("line ", line + 1, ", column ", column + 1, ": ", message);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

absl::Status Wrong(const std::string& profile, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat("mail profile '", profile, "': ", problem));
}

absl::Status ReadLogin(const SmtpProfileText& text, SmtpProfile& profile) {
  if (!text.has_auth()) return absl::OkStatus();
  const SmtpProfileText::Auth& auth = text.auth();
  switch (auth.mechanism()) {
    case SmtpProfileText::PLAIN:
      profile.login = SaslMechanism::kPlain;
      break;
    case SmtpProfileText::LOGIN:
      profile.login = SaslMechanism::kLogin;
      break;
    case SmtpProfileText::XOAUTH2:
      profile.login = SaslMechanism::kXOAuth2;
      break;
    case SmtpProfileText::SCRAM_SHA_256:
      profile.login = SaslMechanism::kScramSha256;
      break;
    default:
      return Wrong(text.name(), "auth.mechanism must be PLAIN, LOGIN, XOAUTH2 or SCRAM_SHA_256");
  }
  const bool is_token = profile.login == SaslMechanism::kXOAuth2;
  if ((is_token ? auth.token_file() : auth.password_file()).empty() ||
      !(is_token ? auth.password_file() : auth.token_file()).empty()) {
    return Wrong(text.name(), is_token ? "auth.token_file must be set, and not auth.password_file"
                                       : "auth.password_file must be set, and not auth.token_file");
  }
  profile.user = auth.user();
  profile.secret_file = is_token ? auth.token_file() : auth.password_file();
  profile.allow_plain_text_login = auth.allow_plain_text_login();
  return absl::OkStatus();
}

absl::StatusOr<SmtpProfile> ReadProfile(const SmtpProfileText& text, const SmtpProfile& defaults) {
  SmtpProfile profile = defaults;
  if (text.name().empty()) return Wrong("", "each must have a name");
  profile.name = text.name();
  profile.server = text.server();
  switch (text.tls()) {
    case SmtpProfileText::NONE:
      profile.tls = TlsMode::kNone;
      break;
    case SmtpProfileText::IMPLICIT:
      profile.tls = TlsMode::kImplicit;
      break;
    default:
      profile.tls = TlsMode::kStartTls;
      break;
  }
  profile.tls_name = text.tls_name();
  profile.ca_file = text.ca_file();
  profile.helo_name = text.helo();
  profile.message_id_domain = text.message_id_domain();
  if (absl::Status login = ReadLogin(text, profile); !login.ok()) return login;
  if (text.connections() < 0 || text.connections() > kMaxConnections) {
    return Wrong(text.name(),
                 absl::StrCat("connections must be 1 to ", kMaxConnections, ", not ", text.connections()));
  }
  if (text.mails_a_connection() < 0) return Wrong(text.name(), "mails_a_connection must be at least 1");
  if (text.idle_seconds() < 0) return Wrong(text.name(), "idle_seconds must be at least 1");
  if (text.connections() > 0) profile.connections = text.connections();
  if (text.mails_a_connection() > 0) profile.mails_a_connection = text.mails_a_connection();
  if (text.idle_seconds() > 0) profile.timeouts.idle = absl::Seconds(text.idle_seconds());
  return profile;
}

}  // namespace

absl::StatusOr<std::vector<SmtpProfile>> ParseSmtpProfiles(absl::string_view text,
                                                           const SmtpProfile& defaults) {
  SmtpProfiles parsed;
  FirstError error;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  if (!parser.ParseFromString(std::string(text), &parsed)) {
    return absl::InvalidArgumentError(error.text());
  }
  if (parsed.profile().empty()) return absl::InvalidArgumentError("there must be a profile { ... }");
  std::vector<SmtpProfile> profiles;
  for (const SmtpProfileText& one : parsed.profile()) {
    absl::StatusOr<SmtpProfile> profile = ReadProfile(one, defaults);
    if (!profile.ok()) return profile.status();
    profiles.push_back(*std::move(profile));
  }
  return profiles;
}

absl::StatusOr<std::vector<SmtpProfile>> ReadSmtpProfiles(const std::string& path,
                                                          const SmtpProfile& defaults) {
  constexpr size_t kMostBytes = 1 << 20;
  std::ifstream file(path, std::ios::binary);
  std::string text(kMostBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  if (!file.eof() || file.bad()) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", path, "' cannot be read, or has more than ", kMostBytes, " bytes"));
  }
  auto profiles = ParseSmtpProfiles(text, defaults);
  if (profiles.ok()) return profiles;
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", profiles.status().message()));
}

}  // namespace errand::handlers
