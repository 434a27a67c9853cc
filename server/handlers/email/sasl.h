#ifndef ERRAND_SERVER_HANDLERS_EMAIL_SASL_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_SASL_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace errand::handlers {

// How a client logs in (RFC 4422). The names are those of AUTH (RFC 4954).
enum class SaslMechanism {
  kPlain,        // PLAIN, RFC 4616.
  kLogin,        // LOGIN, draft-murchison-sasl-login: for servers that have nothing else.
  kXOAuth2,      // XOAUTH2, Google's and Microsoft's: the secret is an access token.
  kScramSha256,  // SCRAM-SHA-256, RFC 7677: the server proves that it knows the password, too.
};

absl::string_view SaslName(SaslMechanism mechanism);

// The client's side of one exchange. Messages are as they are before base64. Not thread-safe.
class SaslExchange {
 public:
  virtual ~SaslExchange() = default;

  // The initial response; nothing: the server speaks first.
  virtual std::optional<std::string> Start() = 0;

  // The response to a challenge. UNAUTHENTICATED, with a text for people, when the exchange cannot go on.
  virtual absl::StatusOr<std::string> Respond(absl::string_view challenge) = 0;

  // Whether the server may say that the login is good now. False before it has proved what it has to.
  virtual bool complete() const { return true; }
};

// `user` and `secret` hold neither NUL nor CR nor LF; for kScramSha256 they are ASCII (RFC 4013 would change
// others).
std::unique_ptr<SaslExchange> NewSaslExchange(SaslMechanism mechanism, std::string user, std::string secret);

// The same with a nonce that is not drawn, for tests.
std::unique_ptr<SaslExchange> NewScramExchange(std::string user, std::string secret, std::string nonce);

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_SASL_H_
