#include "server/handlers/email/sasl.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace errand::handlers {
namespace {

absl::Status Unauthenticated(absl::string_view problem) {
  return absl::UnauthenticatedError(absl::StrCat("the login with the mail server failed: ", problem));
}

class Plain : public SaslExchange {
 public:
  Plain(std::string user, std::string secret) : user_(std::move(user)), secret_(std::move(secret)) {}

  std::optional<std::string> Start() override {
    const absl::string_view nul("\0", 1);
    return absl::StrCat(nul, user_, nul, secret_);
  }
  absl::StatusOr<std::string> Respond(absl::string_view /*challenge*/) override {
    return Unauthenticated("it asks for more than PLAIN has");
  }

 private:
  const std::string user_;
  const std::string secret_;
};

class Login : public SaslExchange {
 public:
  Login(std::string user, std::string secret) : user_(std::move(user)), secret_(std::move(secret)) {}

  std::optional<std::string> Start() override { return std::nullopt; }
  // The challenges are for people, and servers differ in them.
  absl::StatusOr<std::string> Respond(absl::string_view /*challenge*/) override {
    switch (asked_++) {
      case 0:
        return user_;
      case 1:
        return secret_;
      default:
        return Unauthenticated("it asks for more than LOGIN has");
    }
  }

 private:
  const std::string user_;
  const std::string secret_;
  int asked_ = 0;
};

class XOAuth2 : public SaslExchange {
 public:
  XOAuth2(std::string user, std::string token) : user_(std::move(user)), token_(std::move(token)) {}

  std::optional<std::string> Start() override {
    return absl::StrCat("user=", user_, "\1auth=Bearer ", token_, "\1\1");
  }
  // What is wrong, in JSON; an empty response has the server say no.
  absl::StatusOr<std::string> Respond(absl::string_view /*challenge*/) override { return std::string(); }

 private:
  const std::string user_;
  const std::string token_;
};

using Digest = std::vector<unsigned char>;

Digest Hmac(const Digest& key, absl::string_view text) {
  Digest mac(SHA256_DIGEST_LENGTH);
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac.data(), nullptr);
  return mac;
}

Digest Sha256(const Digest& bytes) {
  Digest hash(SHA256_DIGEST_LENGTH);
  SHA256(bytes.data(), bytes.size(), hash.data());
  return hash;
}

std::string Base64(const Digest& bytes) {
  return absl::Base64Escape(absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

// RFC 5802, without channel binding.
class Scram : public SaslExchange {
 public:
  Scram(const std::string& user, std::string secret, std::string nonce)
      : secret_(std::move(secret)),
        nonce_(std::move(nonce)),
        first_bare_(
            absl::StrCat("n=", absl::StrReplaceAll(user, {{"=", "=3D"}, {",", "=2C"}}), ",r=", nonce_)) {}

  std::optional<std::string> Start() override { return absl::StrCat("n,,", first_bare_); }

  absl::StatusOr<std::string> Respond(absl::string_view challenge) override {
    switch (step_++) {
      case 0:
        return Prove(challenge);
      case 1:
        return Verify(challenge);
      default:
        return Unauthenticated("it asks for more than SCRAM-SHA-256 has");
    }
  }

  bool complete() const override { return verified_; }

 private:
  // What the server may make us compute; RFC 7677 asks for at least 4096.
  static constexpr int kMinIterations = 4096;
  static constexpr int kMaxIterations = 600'000;

  absl::StatusOr<std::string> Prove(absl::string_view server_first) {
    const std::vector<absl::string_view> parts = absl::StrSplit(server_first, ',');
    if (parts.size() < 3) return Unauthenticated("its SCRAM challenge is not whole");
    absl::string_view nonce = parts[0];
    absl::string_view salt64 = parts[1];
    absl::string_view count = parts[2];
    std::string salt;
    int iterations = 0;
    if (!absl::ConsumePrefix(&nonce, "r=") || !absl::StartsWith(nonce, nonce_) ||
        nonce.size() == nonce_.size() || !absl::ConsumePrefix(&salt64, "s=") ||
        !absl::Base64Unescape(salt64, &salt) || salt.empty() || !absl::ConsumePrefix(&count, "i=") ||
        !absl::SimpleAtoi(count, &iterations)) {
      return Unauthenticated("its SCRAM challenge cannot be read");
    }
    if (iterations < kMinIterations || iterations > kMaxIterations) {
      return Unauthenticated(absl::StrCat("its SCRAM challenge wants ", iterations, " iterations; ",
                                          kMinIterations, " to ", kMaxIterations, " are allowed"));
    }
    Digest salted(SHA256_DIGEST_LENGTH);
    PKCS5_PBKDF2_HMAC(secret_.data(), static_cast<int>(secret_.size()),
                      reinterpret_cast<const unsigned char*>(salt.data()), static_cast<int>(salt.size()),
                      iterations, EVP_sha256(), static_cast<int>(salted.size()), salted.data());
    const Digest client_key = Hmac(salted, "Client Key");
    const std::string final_bare = absl::StrCat("c=biws,r=", nonce);
    const std::string signed_text = absl::StrCat(first_bare_, ",", server_first, ",", final_bare);
    server_signature_ = Base64(Hmac(Hmac(salted, "Server Key"), signed_text));
    Digest proof = Hmac(Sha256(client_key), signed_text);
    for (size_t i = 0; i < proof.size(); ++i) proof[i] ^= client_key[i];
    return absl::StrCat(final_bare, ",p=", Base64(proof));
  }

  absl::StatusOr<std::string> Verify(absl::string_view server_final) {
    if (absl::ConsumePrefix(&server_final, "e=")) return Unauthenticated(server_final);
    verified_ = absl::ConsumePrefix(&server_final, "v=") && server_final.size() == server_signature_.size() &&
                CRYPTO_memcmp(server_final.data(), server_signature_.data(), server_final.size()) == 0;
    if (!verified_) return Unauthenticated("it does not prove that it knows the password");
    return std::string();
  }

  const std::string secret_;
  const std::string nonce_;
  const std::string first_bare_;
  std::string server_signature_;
  bool verified_ = false;
  int step_ = 0;
};

std::string NewNonce() {
  Digest bytes(18);
  RAND_bytes(bytes.data(), static_cast<int>(bytes.size()));
  return Base64(bytes);  // Printable, without a comma.
}

}  // namespace

absl::string_view SaslName(SaslMechanism mechanism) {
  switch (mechanism) {
    case SaslMechanism::kPlain:
      return "PLAIN";
    case SaslMechanism::kLogin:
      return "LOGIN";
    case SaslMechanism::kXOAuth2:
      return "XOAUTH2";
    case SaslMechanism::kScramSha256:
      return "SCRAM-SHA-256";
  }
  return "PLAIN";
}

std::unique_ptr<SaslExchange> NewSaslExchange(SaslMechanism mechanism, std::string user, std::string secret) {
  switch (mechanism) {
    case SaslMechanism::kPlain:
      return std::make_unique<Plain>(std::move(user), std::move(secret));
    case SaslMechanism::kLogin:
      return std::make_unique<Login>(std::move(user), std::move(secret));
    case SaslMechanism::kXOAuth2:
      return std::make_unique<XOAuth2>(std::move(user), std::move(secret));
    case SaslMechanism::kScramSha256:
      break;
  }
  return NewScramExchange(std::move(user), std::move(secret), NewNonce());
}

std::unique_ptr<SaslExchange> NewScramExchange(std::string user, std::string secret, std::string nonce) {
  return std::make_unique<Scram>(user, std::move(secret), std::move(nonce));
}

}  // namespace errand::handlers
