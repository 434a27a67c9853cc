#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "server/task/email_address.h"
#include "server/task/validate_email.h"

namespace errand::task {
namespace {

using Bytes = std::string;

Bytes WithNul(absl::string_view before, absl::string_view after) {
  return absl::StrCat(before, absl::string_view("\0", 1), after);
}

TEST(EmailAddressTest, TakesWhatTheRfcsAllow) {
  const struct {
    const char* text;
    const char* name;
    const char* address;
  } kCases[] = {
      {"ada@example.org", "", "ada@example.org"},
      {"  ada@example.org\t", "", "ada@example.org"},
      {"<ada@example.org>", "", "ada@example.org"},
      {"Ada Lovelace <ada@example.org>", "Ada Lovelace", "ada@example.org"},
      {"Ada   Lovelace<ada@example.org>", "Ada Lovelace", "ada@example.org"},
      {"John Q. Public <j@example.org>", "John Q. Public", "j@example.org"},
      {"\"Lovelace, Ada\" <ada@example.org>", "Lovelace, Ada", "ada@example.org"},
      {"\"a \\\"b\\\" \\\\c\" <a@b>", "a \"b\" \\c", "a@b"},
      {"\"<x@y>\" <a@b>", "<x@y>", "a@b"},
      {"Zoë 漢字 <zoe@example.org>", "Zoë 漢字", "zoe@example.org"},
      {"\"Zoë, Dr.\" <zoe@example.org>", "Zoë, Dr.", "zoe@example.org"},
      {"\"\" <a@b>", "", "a@b"},
      {"o'hara+tag=x/y{z}@sub.example.org", "", "o'hara+tag=x/y{z}@sub.example.org"},
      {"a.b.c@x-1.y", "", "a.b.c@x-1.y"},
      {"\"a b\"@example.org", "", "\"a b\"@example.org"},
      {"\"a\\\"@b>\"@example.org", "", "\"a\\\"@b>\"@example.org"},
      {"root@localhost", "", "root@localhost"},
      {"a@[192.0.2.1]", "", "a@[192.0.2.1]"},
      {"a@[IPv6:2001:db8::1]", "", "a@[IPv6:2001:db8::1]"},
      {"a@xn--bcher-kva.example", "", "a@xn--bcher-kva.example"},
  };
  for (const auto& test : kCases) {
    const auto parsed = ParseEmailAddress(test.text);
    ASSERT_TRUE(parsed.ok()) << test.text << ": " << parsed.status();
    EXPECT_EQ(parsed->display_name, test.name) << test.text;
    EXPECT_EQ(parsed->address, test.address) << test.text;
  }
}

TEST(EmailAddressTest, RefusesEverythingElse) {
  const std::vector<std::string> cases = {
      "",
      " ",
      "@",
      "a",
      "a@",
      "@b",
      "a@b@c",
      "a b@c",
      "a@b c",
      ".a@b",
      "a.@b",
      "a..b@c",
      "a@.b",
      "a@b.",
      "a@b..c",
      "a@-b",
      "a@b-",
      "a@b_c",
      "a@b-.c",
      "<>",
      "<a>",
      "<a@b",
      "a@b>",
      "Name",
      "Name <>",
      "Name <a@b",
      "Name <<a@b>>",
      "Name <a@b> x",
      "Name <a@b> <c@d>",
      "a@b, c@d",
      "A <a@b>, B <c@d>",
      "Doe, John <a@b>",
      "\"open <a@b>",
      "\"open\\\" <a@b>",
      "\"a\" \"b@c",
      "Name <a@b> (comment)",
      "a(comment)@b",
      "<@relay:a@b>",
      "group: a@b;",
      "a@[300.1.1.1]",
      "a@[]",
      "a@[192.0.2.1",
      "a@[IPv6:zz]",
      "a@[IPv6:192.0.2.1]",
      "ä@example.org",
      "a@bücher.example",
      "\"ä\"@example.org",
      "a@b\r\nRCPT TO:<evil@x>",
      "a@b\nDATA",
      "\"a\r\nb\"@c",
      "Name\r\nBcc: evil@x <a@b>",
      "Name\x07 <a@b>",
      "a\x7f@b",
      "a@b> SIZE=1",
      "a@b>\tNOTIFY=NEVER",
      WithNul("a", "@b"),
      WithNul("a@b", ""),
      std::string(65, 'a') + "@b",
      "a@" + std::string(64, 'b') + ".c",
      std::string(999, ' ') + "a@b",
  };
  for (const std::string& text : cases) {
    const auto parsed = ParseEmailAddress(text);
    EXPECT_FALSE(parsed.ok()) << absl::CHexEscape(text);
    if (!parsed.ok()) {
      EXPECT_EQ(parsed.status().message().substr(0, 5), "must ") << parsed.status();
    }
  }
}

TEST(EmailAddressTest, HoldsTheLengthsOfRfc5321) {
  std::string domain;  // 4 labels of 47 bytes.
  for (int i = 0; i < 4; ++i) absl::StrAppend(&domain, i == 0 ? "" : ".", std::string(47, 'd'));
  ASSERT_EQ(domain.size(), 191u);
  EXPECT_TRUE(ParseEmailAddress(std::string(62, 'l') + "@" + domain).ok());
  EXPECT_FALSE(ParseEmailAddress(std::string(63, 'l') + "@" + domain).ok());  // 255, or 257 as a path.
  EXPECT_TRUE(ParseEmailAddress(std::string(64, 'l') + "@b").ok());
  EXPECT_TRUE(ParseEmailAddress("a@" + std::string(63, 'b')).ok());
}

// Quadratic parsing of the largest input would take minutes, not an instant; ctest's own limit catches it.
TEST(EmailAddressTest, HostileTextIsParsedAtOnce) {
  for (const char* piece :
       {"\"", "\\", "\"\\", "<", "a ", "\"a\" ", "(", "@", ".", "ä", "a.", "[", "<a@b> "}) {
    std::string text;
    while (text.size() < 990) text += piece;
    for (int i = 0; i < 1000; ++i) {
      ParseEmailAddress(text).status().IgnoreError();
      ParseEmailAddress(text + "<a@b>").status().IgnoreError();
    }
  }
}

v1::EmailTask GoodEmail() {
  v1::EmailTask email;
  email.set_from("Errand <errand@example.org>");
  email.add_to("Ada <ada@example.org>");
  email.set_subject("Hello ✓");
  email.set_text("Hello\r\n.\r\nworld\n");
  return email;
}

std::string FieldOf(const absl::Status& status) {
  const auto payload = status.GetPayload("type.googleapis.com/google.rpc.BadRequest");
  google::rpc::BadRequest bad;
  if (!payload.has_value() || !bad.ParseFromString(std::string(*payload))) return "no BadRequest";
  return bad.field_violations(0).field();
}

TEST(ValidateEmailTest, TakesAFullMessage) {
  v1::EmailTask email = GoodEmail();
  email.add_cc("b@example.org");
  email.add_bcc("\"C, D\" <c@example.org>");
  email.set_reply_to("Desk <desk@example.org>");
  email.set_html("<p>Hello</p>");
  auto* attachment = email.add_attachments();
  attachment->set_filename("résumé \"1\".pdf");
  attachment->set_content_type("application/vnd.api+json");
  attachment->set_data(WithNul("\r\n", "any bytes"));
  email.add_attachments()->set_filename("empty");
  (*email.mutable_headers())["List-Unsubscribe"] = "<https://example.org/u>";
  (*email.mutable_headers())["X-Empty"] = "";
  EXPECT_TRUE(ValidateEmail(email, "task.email").ok()) << ValidateEmail(email, "task.email");
}

std::string ProblemWithHeader(const char* name, const std::string& value) {
  v1::EmailTask email = GoodEmail();
  (*email.mutable_headers())[name] = value;
  const absl::Status status = ValidateEmail(email, "e");
  if (status.ok()) return "";
  EXPECT_EQ(FieldOf(status), absl::StrCat("e.headers[\"", name, "\"]"));
  return std::string(status.message());
}

TEST(ValidateEmailTest, HeadersThatMailServersWriteAreRefused) {
  for (const char* name :
       {"Received", "return-path", "DKIM-Signature", "Resent-To", "RESENT-date", "ARC-Seal",
        "Authentication-Results", "Delivered-To", "Message-Id", "content-language"}) {
    EXPECT_TRUE(absl::StrContains(ProblemWithHeader(name, "x"), "must not be a header")) << name;
  }
  EXPECT_EQ(ProblemWithHeader("X-Received", "x"), "");
  EXPECT_EQ(ProblemWithHeader("Receivedx", "x"), "");
}

TEST(ValidateEmailTest, HeaderNamesThatDifferOnlyInCaseAreTheSame) {
  v1::EmailTask email = GoodEmail();
  (*email.mutable_headers())["X-One"] = "1";
  (*email.mutable_headers())["x-one"] = "2";
  EXPECT_EQ(FieldOf(ValidateEmail(email, "e")), "e.headers[\"x-one\"]");
}

TEST(ValidateEmailTest, StructuredHeadersAreAsciiThatFolds) {
  EXPECT_EQ(ProblemWithHeader("List-Unsubscribe", "<https://example.org/?=?q>"), "");
  EXPECT_TRUE(absl::StrContains(ProblemWithHeader("List-Unsubscribe", "<https://bücher.example>"), "ASCII"));
  EXPECT_EQ(ProblemWithHeader("References", absl::StrCat("<", std::string(900, 'a'), "@b> <c@d>")), "");
  EXPECT_TRUE(absl::StrContains(ProblemWithHeader("References", std::string(998, 'a')), "997"));
  EXPECT_EQ(ProblemWithHeader("X-Text", std::string(998, 'a')), "") << "free text can be encoded";
}

TEST(ValidateEmailTest, HeadersOfAddressesHoldAddresses) {
  EXPECT_EQ(ProblemWithHeader("Sender", "Jörg <j@example.org>"), "");
  EXPECT_EQ(ProblemWithHeader("Errors-To", "\"a, \\\", b\" <a@b>, c@d"), "");
  for (const char* wrong : {"", "nobody", "a@b,", ",a@b", "a@b; c@d", "a@b \"x"}) {
    EXPECT_NE(ProblemWithHeader("Sender", wrong), "") << wrong;
  }
}

TEST(ValidateEmailTest, NamesTheFieldAndSaysWhatWouldBeRight) {
  const struct {
    void (*spoil)(v1::EmailTask&);
    const char* field;
  } kCases[] = {
      {[](v1::EmailTask& e) { e.clear_from(); }, "task.email.from"},
      {[](v1::EmailTask& e) { e.set_from("nobody"); }, "task.email.from"},
      {[](v1::EmailTask& e) { e.set_from("a@b\r\nMAIL"); }, "task.email.from"},
      {[](v1::EmailTask& e) { e.clear_to(); }, "task.email.to"},
      {[](v1::EmailTask& e) { e.add_to("x"); }, "task.email.to[1]"},
      {[](v1::EmailTask& e) { e.add_to(""); }, "task.email.to[1]"},
      {[](v1::EmailTask& e) { e.add_cc("a@b\n"); }, "task.email.cc[0]"},
      {[](v1::EmailTask& e) { e.add_bcc("a@b"), e.add_bcc("x y@z"); }, "task.email.bcc[1]"},
      {[](v1::EmailTask& e) { e.set_reply_to("a@b, c@d"); }, "task.email.reply_to"},
      {[](v1::EmailTask& e) { e.set_subject("Hi\r\nBcc: evil@x"); }, "task.email.subject"},
      {[](v1::EmailTask& e) { e.set_subject("Hi\nBcc: evil@x"); }, "task.email.subject"},
      {[](v1::EmailTask& e) { e.set_subject("Hi\rBcc: evil@x"); }, "task.email.subject"},
      {[](v1::EmailTask& e) { e.set_subject(WithNul("a", "b")); }, "task.email.subject"},
      {[](v1::EmailTask& e) { e.set_subject("\x1b[31m"); }, "task.email.subject"},
      {[](v1::EmailTask& e) { e.set_subject(Bytes(999, 'a')); }, "task.email.subject"},
      {[](v1::EmailTask& e) { e.clear_text(); }, "task.email.text"},
      {[](v1::EmailTask& e) { e.set_text(WithNul("a", "b")); }, "task.email.text"},
      {[](v1::EmailTask& e) { e.set_text(Bytes((1 << 20) + 1, 'a')); }, "task.email.text"},
      {[](v1::EmailTask& e) { e.set_html(WithNul("", "")); }, "task.email.html"},
      {[](v1::EmailTask& e) { e.set_html(Bytes((1 << 20) + 1, 'a')); }, "task.email.html"},
      {[](v1::EmailTask& e) { e.add_attachments(); }, "task.email.attachments[0].filename"},
      {[](v1::EmailTask& e) { e.add_attachments()->set_filename("../x"); },
       "task.email.attachments[0].filename"},
      {[](v1::EmailTask& e) { e.add_attachments()->set_filename("x\r\nX: y"); },
       "task.email.attachments[0].filename"},
      {[](v1::EmailTask& e) { e.add_attachments()->set_filename(Bytes(256, 'x')); },
       "task.email.attachments[0].filename"},
      {[](v1::EmailTask& e) {
         e.add_attachments()->set_filename("x");
         e.mutable_attachments(0)->set_content_type("text");
       },
       "task.email.attachments[0].content_type"},
      {[](v1::EmailTask& e) {
         e.add_attachments()->set_filename("x");
         e.mutable_attachments(0)->set_content_type("text/plain\r\nX: y");
       },
       "task.email.attachments[0].content_type"},
      {[](v1::EmailTask& e) {
         e.add_attachments()->set_filename("x");
         e.mutable_attachments(0)->set_content_type("text/plain; charset=utf-8");
       },
       "task.email.attachments[0].content_type"},
      {[](v1::EmailTask& e) {
         e.add_attachments()->set_filename("x");
         e.mutable_attachments(0)->set_content_type("Multipart/mixed");
       },
       "task.email.attachments[0].content_type"},
      {[](v1::EmailTask& e) {
         e.add_attachments()->set_filename("a");
         e.mutable_attachments(0)->set_data(Bytes(10 << 20, 'x'));
         e.add_attachments()->set_filename("b");
         e.mutable_attachments(1)->set_data("y");
       },
       "task.email.attachments"},
      {[](v1::EmailTask& e) {
         for (int i = 0; i < 65; ++i) e.add_attachments()->set_filename("x");
       },
       "task.email.attachments"},
      {[](v1::EmailTask& e) { (*e.mutable_headers())[""] = "x"; }, "task.email.headers[\"\"]"},
      {[](v1::EmailTask& e) { (*e.mutable_headers())["X:Y"] = "x"; }, "task.email.headers[\"X:Y\"]"},
      {[](v1::EmailTask& e) { (*e.mutable_headers())["X Y"] = "x"; }, "task.email.headers[\"X Y\"]"},
      {[](v1::EmailTask& e) { (*e.mutable_headers())["X\r\nBcc"] = "x"; },
       "task.email.headers[\"X\\r\\nBcc\"]"},
      {[](v1::EmailTask& e) { (*e.mutable_headers())["Ä"] = "x"; }, "task.email.headers[\"\\xc3\\x84\"]"},
      {[](v1::EmailTask& e) { (*e.mutable_headers())["X-A"] = "x\r\nBcc: evil@x"; },
       "task.email.headers[\"X-A\"]"},
      {[](v1::EmailTask& e) { (*e.mutable_headers())["X-A"] = WithNul("x", ""); },
       "task.email.headers[\"X-A\"]"},
      {[](v1::EmailTask& e) { (*e.mutable_headers())["X-A"] = Bytes(999, 'x'); },
       "task.email.headers[\"X-A\"]"},
      {[](v1::EmailTask& e) {
         (*e.mutable_headers())["X-B"] = "\n";
         (*e.mutable_headers())["X-A"] = "\n";
         (*e.mutable_headers())["X-C"] = "\n";
       },
       "task.email.headers[\"X-A\"]"},
      {[](v1::EmailTask& e) {
         for (int i = 0; i < 65; ++i) (*e.mutable_headers())[absl::StrCat("X-", i)] = "x";
       },
       "task.email.headers"},
  };
  for (const auto& test : kCases) {
    v1::EmailTask email = GoodEmail();
    test.spoil(email);
    const absl::Status status = ValidateEmail(email, "task.email");
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << test.field;
    EXPECT_EQ(FieldOf(status), test.field) << status;
    EXPECT_NE(status.message().find("must "), absl::string_view::npos) << status;
  }
}

TEST(ValidateEmailTest, RefusesHeadersThatErrandWritesItselfInAnyCase) {
  for (const char* name : {"From", "to", "CC", "bCC", "Reply-to", "SUBJECT", "date", "message-id",
                           "Mime-Version", "Content-Type", "content-transfer-encoding", "CONTENT-X"}) {
    v1::EmailTask email = GoodEmail();
    (*email.mutable_headers())[name] = "x";
    EXPECT_EQ(FieldOf(ValidateEmail(email, "task.email")),
              absl::StrCat("task.email.headers[\"", name, "\"]"));
  }
}

TEST(ValidateEmailTest, CountsRecipientsTogether) {
  v1::EmailTask email = GoodEmail();
  email.clear_to();
  email.add_bcc("only@example.org");
  EXPECT_TRUE(ValidateEmail(email, "task.email").ok());
  for (int i = 0; i < 500; ++i) email.add_cc("c@example.org");
  for (int i = 0; i < 499; ++i) email.add_bcc("b@example.org");
  EXPECT_TRUE(ValidateEmail(email, "task.email").ok());
  email.add_to("one@too.many");
  EXPECT_EQ(FieldOf(ValidateEmail(email, "task.email")), "task.email.to");
}

TEST(ValidateEmailTest, EachBodyAloneIsEnough) {
  v1::EmailTask email = GoodEmail();
  email.clear_text();
  email.set_html("<p>x</p>");
  EXPECT_TRUE(ValidateEmail(email, "task.email").ok());
}

}  // namespace
}  // namespace errand::task
