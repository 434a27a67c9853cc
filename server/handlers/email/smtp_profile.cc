#include "server/handlers/email/smtp_profile.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/handlers/email/secret_file.h"
#include "server/task/email_address.h"
#include "server/task/name.h"

namespace errand::handlers {
namespace {

absl::Status Wrong(absl::string_view problem) { return absl::InvalidArgumentError(problem); }

// Empty where the system has no name that a mail server could look up.
std::string SystemHostName() {
  char name[256] = "";
  if (gethostname(name, sizeof name - 1) != 0 || !task::IsMailDomain(name)) return "";
  return absl::StrContains(name, '.') ? name : "";
}

absl::Status CheckLogin(const SmtpProfile& profile) {
  if (!profile.login.has_value()) {
    return profile.user.empty() && profile.secret_file.empty() ? absl::OkStatus()
                                                               : Wrong("a login needs a mechanism");
  }
  if (profile.user.empty() || absl::c_any_of(profile.user, absl::ascii_iscntrl)) {
    return Wrong("a login needs a user, without control characters");
  }
  if (profile.tls == TlsMode::kNone && !profile.allow_plain_text_login) {
    return Wrong(
        "a login without TLS shows the password to everybody on the way: use TLS, or say "
        "allow_plain_text_login");
  }
  const absl::StatusOr<std::string> secret = ReadSecretFile(profile.secret_file);
  if (!secret.ok()) return Wrong(secret.status().message());
  const bool is_ascii =
      absl::c_all_of(profile.user, absl::ascii_isascii) && absl::c_all_of(*secret, absl::ascii_isascii);
  if (*profile.login == SaslMechanism::kScramSha256 && !is_ascii) {
    return Wrong("user and password must be ASCII for SCRAM-SHA-256");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<SmtpPool::Settings>> PoolSettings(const SmtpProfile& profile) {
  if (absl::Status name = task::CheckId(profile.name, "name"); !name.ok()) return name;
  auto settings = std::make_unique<SmtpPool::Settings>();
  SmtpConnection::Settings& connection = settings->connection;
  absl::StatusOr<ServerAddress> server = ParseServerAddress(profile.server);
  if (!server.ok()) return server.status();
  connection.server = *std::move(server);
  connection.tls = profile.tls;
  connection.tls_name = profile.tls_name.empty() ? connection.server.host : profile.tls_name;
  if (profile.tls != TlsMode::kNone) {
    absl::StatusOr<std::unique_ptr<TlsContext>> context = TlsContext::Create(profile.ca_file);
    if (!context.ok()) return context.status();
    connection.tls_context = *std::move(context);
  }
  if (!profile.helo_name.empty() && !task::IsMailDomain(profile.helo_name)) {
    return Wrong(
        absl::StrCat("HELO name '", profile.helo_name, "' must be a host name or an address literal"));
  }
  connection.helo_name = profile.helo_name.empty() ? SystemHostName() : profile.helo_name;
  if (!profile.message_id_domain.empty() && !task::IsMailDomain(profile.message_id_domain)) {
    return Wrong(absl::StrCat("Message-ID domain '", profile.message_id_domain,
                              "' must be a host name or an address literal"));
  }
  if (absl::Status login = CheckLogin(profile); !login.ok()) return login;
  if (profile.login.has_value()) connection.login = SmtpLogin{*profile.login, profile.user, ""};
  connection.secret_file = profile.secret_file;
  connection.timeouts = profile.timeouts;
  if (profile.connections < 1) {
    return Wrong(absl::StrCat("mail connections must be at least 1, not ", profile.connections));
  }
  settings->connections = profile.connections;
  if (profile.mails_a_connection < 1) {
    return Wrong(absl::StrCat("mails a connection must be at least 1, not ", profile.mails_a_connection));
  }
  settings->mails_a_connection = profile.mails_a_connection;
  settings->unreachable_after = profile.unreachable_after;
  settings->first_wait = profile.first_wait;
  settings->name = profile.name;
  settings->message_id_domain = profile.message_id_domain;
  return settings;
}

}  // namespace errand::handlers
