#ifndef ERRAND_SERVER_HANDLERS_EMAIL_TLS_MODE_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_TLS_MODE_H_

namespace errand::handlers {

// How the connection to the mail server is secured. There is no mode that falls back to clear text: whoever
// can cut a line could choose it.
enum class TlsMode {
  kNone,      // Not at all.
  kStartTls,  // By STARTTLS (RFC 3207), or the mail is not sent.
  kImplicit,  // From the first byte (RFC 8314 section 3.3).
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_TLS_MODE_H_
