#ifndef ERRAND_SERVER_HANDLERS_EMAIL_TLS_CHANNEL_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_TLS_CHANNEL_H_

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace errand::handlers {

// What TLS connections to one mail server have in common: protocol versions, whom to trust, and the last
// session, which the next connection resumes (RFC 8446 section 2.2). One thread at a time.
class TlsContext {
 public:
  // Trusts the certificate authorities in the PEM file `ca_file`, or the system's when it is empty.
  // INVALID_ARGUMENT when the file cannot be read.
  static absl::StatusOr<std::unique_ptr<TlsContext>> Create(const std::string& ca_file);

  SSL_CTX* get() const { return context_.get(); }

  // Null before the first.
  SSL_SESSION* session() const { return session_.get(); }

 private:
  using ContextPtr = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;
  explicit TlsContext(ContextPtr context)
      : context_(std::move(context)), session_(nullptr, &SSL_SESSION_free) {}
  static int OnNewSession(SSL* ssl, SSL_SESSION* session);

  const ContextPtr context_;
  std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)> session_;
};

// The client's side of one TLS connection, between bytes in memory: the owner carries the cipher text to
// and from the network. Not thread-safe.
class TlsChannel {
 public:
  // `context` is borrowed, and all channels of it go to `host`. The server's certificate must be issued for
  // `host`, a name or an IP address (RFC 6125, RFC 9525).
  TlsChannel(const TlsContext& context, const std::string& host);

  // Takes `cipher_text` from the network; empty starts the handshake. Appends what it says to
  // `clear_text`. UNAVAILABLE, with a text for people, when the handshake or the certificate is not
  // acceptable or the bytes are not TLS; nothing can be done with the channel then.
  absl::Status Feed(absl::string_view cipher_text, std::string& clear_text);

  // The handshake is done and the certificate good. Before that nothing may be encrypted.
  bool up() const { return up_; }

  // The server said that nothing more will come.
  bool closed() const { return closed_; }

  // "TLSv1.3", and whether a session was resumed. When up().
  std::string Describe() const;

  // False when OpenSSL failed.
  bool Encrypt(absl::string_view clear_text);

  // Says that nothing more will come from here.
  void SayGoodbye() { SSL_shutdown(ssl_.get()); }

  // Appends what has to go to the network.
  void TakeOutput(std::string& out);

 private:
  absl::Status Problem(int result);

  const std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
  BIO* from_network_;  // Both owned by ssl_.
  BIO* to_network_;
  bool up_ = false;
  bool closed_ = false;
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_TLS_CHANNEL_H_
