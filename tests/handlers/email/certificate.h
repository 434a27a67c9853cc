#ifndef ERRAND_TESTS_HANDLERS_EMAIL_CERTIFICATE_H_
#define ERRAND_TESTS_HANDLERS_EMAIL_CERTIFICATE_H_

#include <openssl/ssl.h>

#include <memory>
#include <string>

namespace errand::handlers {

// A self-signed certificate made on the spot, and a server's TLS context that shows it.
class Certificate {
 public:
  // `names` is a subjectAltName such as "DNS:localhost,IP:127.0.0.1". Valid for a day, or already expired.
  explicit Certificate(const std::string& names, bool expired = false);
  ~Certificate();

  Certificate(const Certificate&) = delete;
  Certificate& operator=(const Certificate&) = delete;

  // A PEM file with the certificate, for the client to trust. Removed with this object.
  const std::string& file() const { return file_; }

  SSL_CTX* server_context() const { return context_.get(); }

 private:
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  std::string file_;
};

}  // namespace errand::handlers

#endif  // ERRAND_TESTS_HANDLERS_EMAIL_CERTIFICATE_H_
