#include "server/handlers/email/message.h"

#include <gmime/gmime.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace errand::handlers {
namespace {

const absl::Time kDate = absl::FromUnixSeconds(1700000000);

struct Unref {
  void operator()(void* object) const { g_object_unref(object); }
};
using Message = std::unique_ptr<GMimeMessage, Unref>;

Message ParseBack(const std::string& text) {
  GMimeStream* stream = g_mime_stream_mem_new_with_buffer(text.data(), text.size());
  GMimeParser* parser = g_mime_parser_new_with_stream(stream);
  Message message(g_mime_parser_construct_message(parser, nullptr));
  g_object_unref(parser);
  g_object_unref(stream);
  return message;
}

std::string Header(const Message& message, const char* name) {
  const char* value = g_mime_object_get_header(GMIME_OBJECT(message.get()), name);
  return value == nullptr ? "(none)" : value;
}

std::string ContentOf(GMimeObject* part) {
  GMimeStream* stream = g_mime_stream_mem_new();
  g_mime_data_wrapper_write_to_stream(g_mime_part_get_content(GMIME_PART(part)), stream);
  GByteArray* bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(stream));
  std::string content(reinterpret_cast<const char*>(bytes->data), bytes->len);
  g_object_unref(stream);
  return content;
}

std::string TypeOf(GMimeObject* part) {
  GMimeContentType* type = g_mime_object_get_content_type(part);
  return absl::StrCat(g_mime_content_type_get_media_type(type), "/",
                      g_mime_content_type_get_media_subtype(type));
}

void ExpectWireClean(const std::string& text) {
  for (absl::string_view line : absl::StrSplit(text, "\r\n")) {
    EXPECT_LE(line.size(), 998u);
    for (char c : line) {
      ASSERT_TRUE(c != '\r' && c != '\n' && c != '\0' && static_cast<unsigned char>(c) < 0x80)
          << line.substr(0, 100);
    }
  }
}

v1::EmailTask Plain(absl::string_view text) {
  v1::EmailTask email;
  email.set_from("Errand <errand@example.org>");
  email.add_to("Ada <ada@example.org>");
  email.set_subject("Hello");
  email.set_text(std::string(text));
  return email;
}

TEST(MessageTest, HasTheHeadersOfRfc5322) {
  v1::EmailTask email = Plain("hello\n");
  email.add_to("b@example.org");
  email.add_cc("Zoë <c@example.org>");
  email.add_bcc("secret@example.org");
  email.set_reply_to("desk@example.org");
  email.set_subject("Grüße ✓");
  (*email.mutable_headers())["X-Job"] = "übung";
  const std::string text = BuildMessage(email, "<uid-1@mx.example.org>", kDate);
  ExpectWireClean(text);
  const Message message = ParseBack(text);
  EXPECT_EQ(Header(message, "From"), "Errand <errand@example.org>");
  EXPECT_EQ(Header(message, "To"), "Ada <ada@example.org>, b@example.org");
  EXPECT_EQ(Header(message, "Cc"), "Zoë <c@example.org>");
  EXPECT_EQ(Header(message, "Reply-To"), "desk@example.org");
  EXPECT_EQ(Header(message, "Subject"), "Grüße ✓");
  EXPECT_EQ(Header(message, "Date"), "Tue, 14 Nov 2023 22:13:20 +0000");
  EXPECT_EQ(Header(message, "Message-ID"), "<uid-1@mx.example.org>");
  EXPECT_EQ(Header(message, "MIME-Version"), "1.0");
  EXPECT_EQ(Header(message, "X-Job"), "übung");
  EXPECT_EQ(Header(message, "Bcc"), "(none)");
  EXPECT_FALSE(absl::StrContains(text, "secret"));
  EXPECT_EQ(ContentOf(g_mime_message_get_mime_part(message.get())), "hello\r\n");
}

TEST(MessageTest, HiddenRecipientsOnlyStayHidden) {
  v1::EmailTask email = Plain("hello");
  email.clear_to();
  email.add_bcc("secret@example.org");
  const std::string text = BuildMessage(email, "<a@b>", kDate);
  EXPECT_FALSE(absl::StrContains(text, "secret"));
  EXPECT_TRUE(absl::StrContains(text, "\r\nTo: undisclosed-recipients:;\r\n"));
}

TEST(MessageTest, TextArrivesAsItWasWritten) {
  std::string long_line(5000, 'x');
  const std::string dots_and_spaces = absl::StrCat(std::string(200, '.'), std::string(201, ' '));
  std::string chinese;
  for (int i = 0; i < 2000; ++i) chinese += "漢字";
  const struct {
    std::string text;
    std::string arrives;
  } cases[] = {
      {"a", "a"},
      {"a\nb\n", "a\r\nb\r\n"},
      {"a\r\nb\r\n", "a\r\nb\r\n"},
      {"a\rb\r", "a\r\nb\r\n"},
      {".\n..\n.x\n", ".\r\n..\r\n.x\r\n"},
      {"trailing space \nand tab\t\n", "trailing space \r\nand tab\t\r\n"},
      {"From here\n=3D = 100%\n", "From here\r\n=3D = 100%\r\n"},
      {"Grüße ✓ 🎉\n", "Grüße ✓ 🎉\r\n"},
      {chinese + "\n" + chinese, chinese + "\r\n" + chinese},
      {long_line + "\n" + long_line, long_line + "\r\n" + long_line},
      {"\n\n\n", "\r\n\r\n\r\n"},
      {dots_and_spaces, dots_and_spaces},
      {"\x01\x1b[31m\x7f", "\x01\x1b[31m\x7f"},
  };
  for (const auto& test : cases) {
    const std::string text = BuildMessage(Plain(test.text), "<a@b>", kDate);
    ExpectWireClean(text);
    const Message message = ParseBack(text);
    GMimeObject* part = g_mime_message_get_mime_part(message.get());
    EXPECT_EQ(TypeOf(part), "text/plain");
    EXPECT_STREQ(g_mime_object_get_content_type_parameter(part, "charset"), "utf-8");
    EXPECT_EQ(ContentOf(part), test.arrives);
  }
}

TEST(MessageTest, TextAndHtmlAreAlternatives) {
  v1::EmailTask email = Plain("plain");
  email.set_html("<p>html</p>");
  const Message message = ParseBack(BuildMessage(email, "<a@b>", kDate));
  GMimeObject* part = g_mime_message_get_mime_part(message.get());
  ASSERT_EQ(TypeOf(part), "multipart/alternative");
  ASSERT_EQ(g_mime_multipart_get_count(GMIME_MULTIPART(part)), 2);
  GMimeObject* first = g_mime_multipart_get_part(GMIME_MULTIPART(part), 0);
  GMimeObject* second = g_mime_multipart_get_part(GMIME_MULTIPART(part), 1);
  EXPECT_EQ(TypeOf(first), "text/plain");
  EXPECT_EQ(ContentOf(first), "plain");
  EXPECT_EQ(TypeOf(second), "text/html");
  EXPECT_EQ(ContentOf(second), "<p>html</p>");
}

TEST(MessageTest, HtmlAloneIsTheBody) {
  v1::EmailTask email = Plain("");
  email.set_html("<p>html</p>");
  const Message message = ParseBack(BuildMessage(email, "<a@b>", kDate));
  EXPECT_EQ(TypeOf(g_mime_message_get_mime_part(message.get())), "text/html");
}

TEST(MessageTest, AttachmentsArriveByteForByte) {
  std::mt19937 random(5);
  v1::EmailTask email = Plain("see files");
  email.set_html("<p>see files</p>");
  const std::vector<std::string> names = {"a.bin", "résumé 漢字.pdf", "quo\"te\\;=.txt",
                                          std::string(255, 'n'), "e"};
  std::vector<std::string> contents;
  for (size_t i = 0; i < names.size(); ++i) {
    std::string data;
    const size_t size = i == 4 ? 0 : random() % 5000;
    while (data.size() < size) data.push_back(static_cast<char>(random()));
    if (i == 2) data = "a\nb\r\nc\r.\r\n\r\n.\r\n";
    contents.push_back(data);
    v1::Attachment* attachment = email.add_attachments();
    attachment->set_filename(names[i]);
    if (i == 1) attachment->set_content_type("application/pdf");
    if (i == 2) attachment->set_content_type("text/plain");
    attachment->set_data(data);
  }
  const std::string text = BuildMessage(email, "<a@b>", kDate);
  ExpectWireClean(text);
  const Message message = ParseBack(text);
  GMimeObject* mixed = g_mime_message_get_mime_part(message.get());
  ASSERT_EQ(TypeOf(mixed), "multipart/mixed");
  ASSERT_EQ(g_mime_multipart_get_count(GMIME_MULTIPART(mixed)), 6);
  EXPECT_EQ(TypeOf(g_mime_multipart_get_part(GMIME_MULTIPART(mixed), 0)), "multipart/alternative");
  for (size_t i = 0; i < names.size(); ++i) {
    GMimeObject* part = g_mime_multipart_get_part(GMIME_MULTIPART(mixed), static_cast<int>(i) + 1);
    EXPECT_EQ(TypeOf(part), i == 1 ? "application/pdf" : i == 2 ? "text/plain" : "application/octet-stream");
    EXPECT_EQ(g_mime_part_get_filename(GMIME_PART(part)), names[i]);
    EXPECT_STREQ(g_mime_object_get_disposition(part), "attachment");
    EXPECT_EQ(ContentOf(part), contents[i]) << names[i];
  }
  EXPECT_FALSE(absl::StrContains(absl::AsciiStrToLower(text), "iso-8859")) << "names are in UTF-8";
}

TEST(MessageTest, HeadersOfOneTaskAlwaysComeInOneOrder) {
  std::set<std::string> texts;
  for (int round = 0; round < 20; ++round) {
    v1::EmailTask email = Plain("x");
    for (int i = 0; i < 20; ++i) {
      const int n = (i * 7 + round) % 20;
      (*email.mutable_headers())[absl::StrCat("X-", n)] = absl::StrCat(n);
    }
    texts.insert(BuildMessage(email, "<a@b>", kDate));
  }
  EXPECT_EQ(texts.size(), 1u);
}

TEST(MessageTest, HeadersKeepToTheirForm) {
  v1::EmailTask email = Plain("x");
  (*email.mutable_headers())["Sender"] = "Jörg <j@example.org>";
  (*email.mutable_headers())["List-Unsubscribe"] = "<https://example.org/?=?q>";
  const std::string text = BuildMessage(email, "<a@b>", kDate);
  EXPECT_TRUE(absl::StrContains(text, "\r\nList-Unsubscribe: <https://example.org/?=?q>\r\n")) << text;
  EXPECT_TRUE(absl::StrContains(text, "?= <j@example.org>\r\n")) << text;
}

TEST(MessageTest, IdIsTheTasksInTheDomainOfItsAuthor) {
  v1::EmailTask email;
  email.set_from("\"a@b\" <\"x@y\"@example.org>");
  EXPECT_EQ(MessageId("uid-1", email), "<uid-1@example.org>");
  email.set_from("a@[192.0.2.1]");
  EXPECT_EQ(MessageId("uid-1", email), "<uid-1@[192.0.2.1]>");
}

TEST(MessageTest, DateIsWhenTheTaskWasCreatedOrIsDue) {
  v1::Task task;
  EXPECT_EQ(MessageDate(task, kDate), kDate);
  task.mutable_schedule_time()->set_seconds(absl::ToUnixSeconds(kDate) - 1);
  EXPECT_EQ(MessageDate(task, kDate), kDate);
  task.mutable_schedule_time()->set_seconds(absl::ToUnixSeconds(kDate) + 3600);
  EXPECT_EQ(MessageDate(task, kDate), kDate + absl::Hours(1));
}

TEST(MessageTest, MessagesAreBuiltOnManyThreadsAtOnce) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 100; ++i) {
        v1::EmailTask email = Plain(absl::StrCat("thread ", t, " mail ", i, " Grüße"));
        email.set_html("<p>x</p>");
        email.add_attachments()->set_filename("x.txt");
        const std::string text = BuildMessage(email, absl::StrCat("<", t, "-", i, "@x>"), kDate);
        EXPECT_TRUE(absl::StrContains(text, absl::StrCat("Message-ID: <", t, "-", i, "@x>\r\n")));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace errand::handlers
