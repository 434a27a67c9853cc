#include "server/handlers/email/tls_channel.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/handlers/email/server_address.h"

namespace errand::handlers {
namespace {

// The first error of this thread's queue, which it empties.
std::string TakeOpenSslError() {
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  const char* reason = ERR_reason_error_string(error);
  return reason != nullptr ? reason : "unknown error";
}

}  // namespace

absl::StatusOr<std::unique_ptr<TlsContext>> TlsContext::Create(const std::string& ca_file) {
  ContextPtr context(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  if (context == nullptr) return absl::InternalError(absl::StrCat("OpenSSL: ", TakeOpenSslError()));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);  // RFC 8996.
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  if (ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context.get());
  } else if (SSL_CTX_load_verify_file(context.get(), ca_file.c_str()) != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("no CA certificates can be read from '", ca_file, "': ", TakeOpenSslError()));
  }
  // Kept here: OpenSSL's own store would have clients look them up by themselves.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context.get(), &TlsContext::OnNewSession);
  std::unique_ptr<TlsContext> made(new TlsContext(std::move(context)));
  SSL_CTX_set_app_data(made->get(), made.get());
  return made;
}

int TlsContext::OnNewSession(SSL* ssl, SSL_SESSION* session) {
  auto* const self = static_cast<TlsContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  self->session_.reset(session);
  return 1;  // It is ours now.
}

TlsChannel::TlsChannel(const TlsContext& context, const std::string& host)
    : ssl_(SSL_new(context.get()), &SSL_free),
      from_network_(BIO_new(BIO_s_mem())),
      to_network_(BIO_new(BIO_s_mem())) {
  SSL_set_bio(ssl_.get(), from_network_, to_network_);
  SSL_set_connect_state(ssl_.get());
  // A session is only kept once the certificate was found good for the same host.
  if (context.session() != nullptr) SSL_set_session(ssl_.get(), context.session());
  X509_VERIFY_PARAM* verify = SSL_get0_param(ssl_.get());
  if (IsIpAddress(host)) {
    X509_VERIFY_PARAM_set1_ip_asc(verify, host.c_str());
  } else {
    X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    X509_VERIFY_PARAM_set1_host(verify, host.c_str(), host.size());
    SSL_set_tlsext_host_name(ssl_.get(), host.c_str());
  }
}

absl::Status TlsChannel::Feed(absl::string_view cipher_text, std::string& clear_text) {
  ERR_clear_error();
  if (!cipher_text.empty())
    BIO_write(from_network_, cipher_text.data(), static_cast<int>(cipher_text.size()));
  if (!up_) {
    const int result = SSL_do_handshake(ssl_.get());
    if (result != 1) return Problem(result);
    up_ = true;
  }
  char buffer[16 << 10];  // A record's most.
  for (;;) {
    const int count = SSL_read(ssl_.get(), buffer, sizeof buffer);
    if (count <= 0) return Problem(count);
    clear_text.append(buffer, count);
  }
}

absl::Status TlsChannel::Problem(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return absl::OkStatus();
    case SSL_ERROR_ZERO_RETURN:
      closed_ = true;
      return absl::OkStatus();
    default:
      break;
  }
  const long verified = SSL_get_verify_result(ssl_.get());
  const std::string error = TakeOpenSslError();
  if (!up_ && verified != X509_V_OK) {
    return absl::UnavailableError(absl::StrCat("the mail server's certificate is not acceptable: ",
                                               X509_verify_cert_error_string(verified)));
  }
  return absl::UnavailableError(
      absl::StrCat(up_ ? "TLS with the mail server failed: " : "the TLS handshake failed: ", error));
}

std::string TlsChannel::Describe() const {
  return absl::StrCat(SSL_get_version(ssl_.get()), SSL_session_reused(ssl_.get()) ? ", resumed" : "");
}

bool TlsChannel::Encrypt(absl::string_view clear_text) {
  if (clear_text.empty()) return true;
  ERR_clear_error();
  // A BIO in memory takes all of it.
  return SSL_write(ssl_.get(), clear_text.data(), static_cast<int>(clear_text.size())) > 0;
}

void TlsChannel::TakeOutput(std::string& out) {
  char* bytes = nullptr;
  const long count = BIO_get_mem_data(to_network_, &bytes);
  if (count > 0) out.append(bytes, count);
  BIO_reset(to_network_);
}

}  // namespace errand::handlers
