#ifndef ERRAND_SERVER_HANDLERS_EMAIL_SMTP_TIMEOUTS_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_SMTP_TIMEOUTS_H_

#include "absl/time/time.h"

namespace errand::handlers {

// How long to wait in each phase of a session. The defaults are the least that RFC 5321 section 4.5.3.2
// asks for, where it says something; the attempt's run_timeout bounds them all.
struct SmtpTimeouts {
  absl::Duration resolve = absl::Seconds(20);    // For the server's addresses.
  absl::Duration connect = absl::Seconds(30);    // For each address.
  absl::Duration handshake = absl::Minutes(1);   // TLS.
  absl::Duration greeting = absl::Minutes(5);    // 4.5.3.2.1
  absl::Duration hello = absl::Minutes(5);       // EHLO, HELO and STARTTLS.
  absl::Duration mail = absl::Minutes(5);        // 4.5.3.2.2
  absl::Duration recipient = absl::Minutes(5);   // 4.5.3.2.3
  absl::Duration data = absl::Minutes(2);        // 4.5.3.2.4
  absl::Duration block = absl::Minutes(3);       // 4.5.3.2.5: each time the message does not move on.
  absl::Duration final_dot = absl::Minutes(10);  // 4.5.3.2.6
  absl::Duration quit = absl::Seconds(10);       // The outcome is known by then, nobody waits for it.
  absl::Duration idle = absl::Seconds(10);       // How long a connection is kept for the next mail.
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_SMTP_TIMEOUTS_H_
