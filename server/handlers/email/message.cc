#include "server/handlers/email/message.h"

#include <gmime/gmime.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/call_once.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/repeated_field.h"
#include "server/handlers/email/header_text.h"
#include "server/task/duration.h"
#include "server/task/email_address.h"
#include "server/task/email_header.h"

namespace errand::handlers {
namespace {

struct Unref {
  void operator()(void* object) const { g_object_unref(object); }
};
template <class T>
using Owned = std::unique_ptr<T, Unref>;
using Part = Owned<GMimeObject>;

// GMime keeps tables that it fills at its start; later calls only read them.
void InitGMime() {
  static absl::once_flag once;
  absl::call_once(once, [] { g_mime_init(); });
}

// Line ends in the canonical form of text (RFC 2046 section 4.1.1), whichever the client used.
std::string WithCrLf(absl::string_view text) {
  std::string canonical;
  canonical.reserve(text.size() + text.size() / 32);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    if (text[i] == '\r' || text[i] == '\n') {
      canonical.append("\r\n");
    } else {
      canonical.push_back(text[i]);
    }
  }
  return canonical;
}

Part NewPart(const char* type, const char* subtype, absl::string_view content,
             GMimeContentEncoding encoding) {
  GMimePart* part = g_mime_part_new_with_type(type, subtype);
  const Owned<GMimeStream> stream(g_mime_stream_mem_new_with_buffer(content.data(), content.size()));
  const Owned<GMimeDataWrapper> data(
      g_mime_data_wrapper_new_with_stream(stream.get(), GMIME_CONTENT_ENCODING_DEFAULT));
  g_mime_part_set_content(part, data.get());
  g_mime_part_set_content_encoding(part, encoding);
  return Part(GMIME_OBJECT(part));
}

Part TextPart(const char* subtype, absl::string_view text) {
  size_t not_ascii = 0;
  for (char c : text) not_ascii += absl::ascii_isascii(c) ? 0 : 1;
  // The shorter of the two; quoted-printable stays readable where it can be read.
  const GMimeContentEncoding encoding =
      not_ascii * 6 > text.size() ? GMIME_CONTENT_ENCODING_BASE64 : GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE;
  Part part = NewPart("text", subtype, WithCrLf(text), encoding);
  g_mime_object_set_content_type_parameter(part.get(), "charset", "utf-8");
  return part;
}

void SetUtf8(GMimeParamList* parameters, const char* name) {
  if (GMimeParam* parameter = g_mime_param_list_get_parameter(parameters, name); parameter != nullptr) {
    g_mime_param_set_charset(parameter, "utf-8");
  }
}

Part AttachmentPart(const v1::Attachment& attachment) {
  std::string type = attachment.content_type();
  if (type.empty()) type = "application/octet-stream";
  const size_t slash = type.find('/');
  Part part = NewPart(type.substr(0, slash).c_str(), type.substr(slash + 1).c_str(), attachment.data(),
                      GMIME_CONTENT_ENCODING_BASE64);
  g_mime_object_set_disposition(part.get(), GMIME_DISPOSITION_ATTACHMENT);
  g_mime_part_set_filename(GMIME_PART(part.get()), attachment.filename().c_str());
  // Otherwise GMime takes the narrowest charset that has the characters.
  SetUtf8(g_mime_content_disposition_get_parameters(g_mime_object_get_content_disposition(part.get())),
          "filename");
  SetUtf8(g_mime_content_type_get_parameters(g_mime_object_get_content_type(part.get())), "name");
  return part;
}

Part NewMultipart(const char* subtype) {
  return Part(GMIME_OBJECT(g_mime_multipart_new_with_subtype(subtype)));
}

void Append(const Part& multipart, const Part& part) {
  g_mime_multipart_add(GMIME_MULTIPART(multipart.get()), part.get());
}

// What a reader shows: the last alternative that it understands (RFC 2046 section 5.1.4).
Part BodyPart(const v1::EmailTask& email) {
  if (email.html().empty()) return TextPart("plain", email.text());
  if (email.text().empty()) return TextPart("html", email.html());
  Part alternative = NewMultipart("alternative");
  Append(alternative, TextPart("plain", email.text()));
  Append(alternative, TextPart("html", email.html()));
  return alternative;
}

Part WholePart(const v1::EmailTask& email) {
  Part body = BodyPart(email);
  if (email.attachments().empty()) return body;
  Part mixed = NewMultipart("mixed");
  Append(mixed, body);
  for (const v1::Attachment& attachment : email.attachments()) Append(mixed, AttachmentPart(attachment));
  return mixed;
}

std::string Addresses(absl::string_view name, const google::protobuf::RepeatedPtrField<std::string>& list) {
  if (list.empty()) return "";
  std::vector<task::EmailAddress> addresses;
  for (const std::string& address : list) addresses.push_back(*task::ParseEmailAddress(address));
  return AddressHeader(name, addresses);
}

std::string ExtraHeader(const std::string& name, const std::string& value) {
  switch (task::KindOfHeader(name)) {
    case task::HeaderKind::kAddresses:
      return AddressHeader(name, *task::ParseEmailAddresses(value));
    case task::HeaderKind::kStructured:
      return StructuredHeader(name, value);
    case task::HeaderKind::kText:
    case task::HeaderKind::kReserved:  // Not in a valid task.
      break;
  }
  return TextHeader(name, value);
}

std::string Headers(const v1::EmailTask& email, absl::string_view message_id, absl::Time date) {
  std::string headers;
  absl::StrAppend(&headers, "Date: ", absl::FormatTime(absl::RFC1123_full, date, absl::UTCTimeZone()), "\r\n",
                  AddressHeader("From", {*task::ParseEmailAddress(email.from())}));
  absl::StrAppend(&headers, Addresses("To", email.to()), Addresses("Cc", email.cc()));
  // A message needs no recipient field (RFC 5322 section 3.6), but filters mistrust one that has none.
  if (email.to().empty() && email.cc().empty()) headers.append("To: undisclosed-recipients:;\r\n");
  if (!email.reply_to().empty()) {
    headers.append(AddressHeader("Reply-To", {*task::ParseEmailAddress(email.reply_to())}));
  }
  if (!email.subject().empty()) headers.append(TextHeader("Subject", email.subject()));
  absl::StrAppend(&headers, "Message-ID: ", message_id, "\r\n");
  // A map has no order; the same task always makes the same message.
  const std::map<std::string, std::string> extra(email.headers().begin(), email.headers().end());
  for (const auto& [name, value] : extra) headers.append(ExtraHeader(name, value));
  headers.append("MIME-Version: 1.0\r\n");
  return headers;
}

}  // namespace

std::string MessageId(absl::string_view task_uid, const v1::EmailTask& email, absl::string_view domain) {
  if (!domain.empty()) return absl::StrCat("<", task_uid, "@", domain, ">");
  const std::string from = task::ParseEmailAddress(email.from())->address;
  return absl::StrCat("<", task_uid, from.substr(from.rfind('@')), ">");
}

absl::Time MessageDate(const v1::Task& task, absl::Time create_time) {
  return task.has_schedule_time() ? std::max(create_time, task::FromProto(task.schedule_time()))
                                  : create_time;
}

std::string BuildMessage(const v1::EmailTask& email, absl::string_view message_id, absl::Time date) {
  InitGMime();
  std::string message = Headers(email, message_id, date);
  const std::unique_ptr<GMimeFormatOptions, void (*)(GMimeFormatOptions*)> format(g_mime_format_options_new(),
                                                                                  g_mime_format_options_free);
  g_mime_format_options_set_newline_format(format.get(), GMIME_NEWLINE_FORMAT_DOS);
  GByteArray* bytes = g_byte_array_new();
  const Owned<GMimeStream> stream(g_mime_stream_mem_new_with_byte_array(bytes));  // Owns `bytes`.
  g_mime_object_write_to_stream(WholePart(email).get(), format.get(), stream.get());
  message.append(reinterpret_cast<const char*>(bytes->data), bytes->len);
  return message;
}

}  // namespace errand::handlers
