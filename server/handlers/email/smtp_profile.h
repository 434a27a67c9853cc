#ifndef ERRAND_SERVER_HANDLERS_EMAIL_SMTP_PROFILE_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_SMTP_PROFILE_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/handlers/email/sasl.h"
#include "server/handlers/email/smtp_pool.h"
#include "server/handlers/email/smtp_timeouts.h"
#include "server/handlers/email/tls_mode.h"

namespace errand::handlers {

// Where mail goes, and as whom.
struct SmtpProfile {
  // What tasks call it: a resource id as in task/name.h.
  std::string name = "default";
  // The mail server: "host:port" or "[v6]:port".
  std::string server;
  TlsMode tls = TlsMode::kStartTls;
  // What its certificate must be for; empty: the host of `server`.
  std::string tls_name;
  // A PEM file of the certificate authorities to trust; empty: the system's.
  std::string ca_file;
  // What the client calls itself in EHLO: a host name or an address literal. Empty: the system's host name
  // where that has a domain, otherwise the address that it connects from (RFC 5321 section 4.1.1.1).
  std::string helo_name;
  // How to log in; unset: not at all. The password or token is in `secret_file`, which is read for each
  // connection.
  std::optional<SaslMechanism> login;
  std::string user;
  std::string secret_file;
  // Whether to log in without TLS: whoever is on the way can read the password then.
  bool allow_plain_text_login = false;
  // The domain of Message-IDs; empty: that of the author.
  std::string message_id_domain;
  // The most attempts that run, and connections that are open, at once; at least 1.
  int connections = 50;
  // How many mails go over a connection before it is closed; at least 1.
  int mails_a_connection = 500;
  SmtpTimeouts timeouts;
  // From when on a server that refuses every connection costs whoever tries its attempt.
  absl::Duration unreachable_after = absl::Seconds(30);
  // How long the first wait is before a server that takes no mail is tried again.
  absl::Duration first_wait = absl::Seconds(1);
};

// What a pool needs of a profile. INVALID_ARGUMENT that names what is not right: also when a file cannot be
// read. Does not contact the server.
absl::StatusOr<std::unique_ptr<SmtpPool::Settings>> PoolSettings(const SmtpProfile& profile);

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_SMTP_PROFILE_H_
