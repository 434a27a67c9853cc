#include "tests/handlers/email/certificate.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace errand::handlers {

Certificate::Certificate(const std::string& names, bool expired)
    : context_(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -2 * 24 * 3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), (expired ? -1 : 1) * 24 * 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("fake"), -1, -1,
                             0);
  X509_set_issuer_name(certificate, name);
  X509_EXTENSION* alternatives = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str());
  X509_add_ext(certificate, alternatives, -1);
  X509_sign(certificate, key, EVP_sha256());
  SSL_CTX_use_certificate(context_.get(), certificate);
  SSL_CTX_use_PrivateKey(context_.get(), key);

  char path[] = "/tmp/errand_certificate_XXXXXX";
  const int fd = mkstemp(path);
  FILE* file = fdopen(fd, "w");
  PEM_write_X509(file, certificate);
  fclose(file);
  file_ = path;
  X509_EXTENSION_free(alternatives);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

Certificate::~Certificate() { unlink(file_.c_str()); }

}  // namespace errand::handlers
