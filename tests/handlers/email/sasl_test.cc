#include "server/handlers/email/sasl.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace errand::handlers {
namespace {

TEST(SaslTest, PlainSaysAllAtOnce) {
  auto plain = NewSaslExchange(SaslMechanism::kPlain, "ada", "secret");
  EXPECT_EQ(plain->Start(), std::string("\0ada\0secret", 11));
  EXPECT_FALSE(plain->Respond("more?").ok());
}

TEST(SaslTest, LoginAnswersTwoQuestions) {
  auto login = NewSaslExchange(SaslMechanism::kLogin, "ada", "secret");
  EXPECT_FALSE(login->Start().has_value());
  EXPECT_EQ(*login->Respond("Username:"), "ada");
  EXPECT_EQ(*login->Respond("whatever"), "secret");
  EXPECT_FALSE(login->Respond("more?").ok());
}

TEST(SaslTest, XOAuth2ShowsATokenAndLetsTheServerSayNo) {
  auto oauth = NewSaslExchange(SaslMechanism::kXOAuth2, "ada@example.org", "ya29.token");
  EXPECT_EQ(oauth->Start(), "user=ada@example.org\1auth=Bearer ya29.token\1\1");
  EXPECT_EQ(*oauth->Respond("{\"status\":\"401\"}"), "");
}

// The example of RFC 7677 section 3.
constexpr char kNonce[] = "rOprNGfwEbeRWgbNEkqO";
constexpr char kServerFirst[] =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

TEST(SaslTest, ScramProvesThePasswordAndHasItProved) {
  auto scram = NewScramExchange("user", "pencil", kNonce);
  EXPECT_EQ(scram->Start(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  EXPECT_EQ(*scram->Respond(kServerFirst),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
  EXPECT_FALSE(scram->complete());
  EXPECT_EQ(*scram->Respond("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), "");
  EXPECT_TRUE(scram->complete());
}

TEST(SaslTest, ScramTrustsNoServerThatDoesNotKnowThePassword) {
  for (const char* last : {"v=AAAATRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "v=", "e=invalid-proof", ""}) {
    auto scram = NewScramExchange("user", "pencil", kNonce);
    scram->Start();
    ASSERT_TRUE(scram->Respond(kServerFirst).ok());
    EXPECT_FALSE(scram->Respond(last).ok()) << last;
    EXPECT_FALSE(scram->complete());
  }
}

TEST(SaslTest, ScramChallengesAreCheckedAndBounded) {
  for (const std::string& challenge :
       {std::string(""), std::string("r=other,s=W22Z,i=4096"), absl::StrCat("r=", kNonce, ",s=W22Z,i=4096"),
        absl::StrCat("r=", kNonce, "x,s=W22Z,i=100"), absl::StrCat("r=", kNonce, "x,s=W22Z,i=2000000000"),
        absl::StrCat("r=", kNonce, "x,s=,i=4096"), absl::StrCat("r=", kNonce, "x,s=??,i=4096"),
        absl::StrCat("m=ext,r=", kNonce, "x,s=W22Z,i=4096")}) {
    auto scram = NewScramExchange("user", "pencil", kNonce);
    scram->Start();
    EXPECT_FALSE(scram->Respond(challenge).ok()) << challenge;
  }
}

TEST(SaslTest, ScramNamesAreEscapedAndNoncesAreNew) {
  EXPECT_TRUE(absl::StartsWith(*NewScramExchange("a=b,c", "x", "n")->Start(), "n,,n=a=3Db=2Cc,r="));
  EXPECT_NE(*NewSaslExchange(SaslMechanism::kScramSha256, "a", "b")->Start(),
            *NewSaslExchange(SaslMechanism::kScramSha256, "a", "b")->Start());
}

}  // namespace
}  // namespace errand::handlers
