#include "server/task/validate_email.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/task/email_address.h"
#include "server/task/errors.h"
#include "server/task/limits.h"

namespace errand::task {
namespace {

using Addresses = google::protobuf::RepeatedPtrField<std::string>;

// Where a header or an SMTP command is made of `value`, a line end in it would start another one.
absl::Status CheckHeaderText(absl::string_view value, absl::string_view field) {
  for (char c : value) {
    if (c == '\r' || c == '\n' || c == '\0') return InvalidField(field, "must not hold CR, LF or NUL");
    if (absl::ascii_iscntrl(c) && c != '\t') return InvalidField(field, "must not hold control characters");
  }
  if (value.size() > static_cast<size_t>(kMaxHeaderValueBytes)) {
    return InvalidField(field, "must be at most 998 bytes");
  }
  return absl::OkStatus();
}

absl::Status CheckAddress(absl::string_view address, absl::string_view field) {
  const absl::StatusOr<EmailAddress> parsed = ParseEmailAddress(address);
  return parsed.ok() ? absl::OkStatus() : InvalidField(field, parsed.status().message());
}

absl::Status CheckAddresses(const Addresses& addresses, absl::string_view field) {
  for (int i = 0; i < addresses.size(); ++i) {
    if (absl::Status status = CheckAddress(addresses[i], absl::StrCat(field, "[", i, "]")); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status CheckBody(absl::string_view body, absl::string_view field) {
  if (body.size() > static_cast<size_t>(kMaxBodyBytes)) return InvalidField(field, "must be at most 1 MiB");
  // RFC 5322 section 3.5 and RFC 2046 section 4.1.2 allow every character but this one.
  if (absl::StrContains(body, absl::string_view("\0", 1))) return InvalidField(field, "must not hold NUL");
  return absl::OkStatus();
}

// RFC 2045 section 5.1.
bool IsMediaTypeToken(absl::string_view text) {
  for (char c : text) {
    if (!absl::ascii_isgraph(c) || absl::StrContains("()<>@,;:\\\"/[]?=", absl::string_view(&c, 1))) {
      return false;
    }
  }
  return !text.empty() && text.size() <= 127;  // RFC 6838 section 4.2.
}

absl::Status CheckContentType(absl::string_view type, absl::string_view field) {
  if (type.empty()) return absl::OkStatus();
  const size_t slash = type.find('/');
  if (slash == absl::string_view::npos || !IsMediaTypeToken(type.substr(0, slash)) ||
      !IsMediaTypeToken(type.substr(slash + 1))) {
    return InvalidField(field, "must be a media type, type/subtype, without parameters");
  }
  // Such parts may not be base64 (RFC 2046 section 5.1 and 5.2.1), and 8-bit data may not be sent bare.
  const absl::string_view main_type = type.substr(0, slash);
  if (absl::EqualsIgnoreCase(main_type, "multipart") || absl::EqualsIgnoreCase(main_type, "message")) {
    return InvalidField(field, "must not be multipart/* or message/*; use application/octet-stream");
  }
  return absl::OkStatus();
}

absl::Status CheckAttachments(const google::protobuf::RepeatedPtrField<v1::Attachment>& attachments,
                              absl::string_view field) {
  if (attachments.size() > kMaxAttachments) return InvalidField(field, "must be at most 64");
  uint64_t bytes = 0;
  for (int i = 0; i < attachments.size(); ++i) {
    const v1::Attachment& attachment = attachments[i];
    const std::string name_field = absl::StrCat(field, "[", i, "].filename");
    if (absl::Status status = CheckHeaderText(attachment.filename(), name_field); !status.ok()) return status;
    if (attachment.filename().empty() || attachment.filename().size() > kMaxFilenameBytes ||
        absl::StrContains(attachment.filename(), "/")) {
      return InvalidField(name_field, "must be 1 to 255 bytes without slash");
    }
    if (absl::Status status =
            CheckContentType(attachment.content_type(), absl::StrCat(field, "[", i, "].content_type"));
        !status.ok()) {
      return status;
    }
    bytes += attachment.data().size();
  }
  if (bytes > kMaxAttachmentBytes) return InvalidField(field, "must be at most 10 MiB together");
  return absl::OkStatus();
}

bool IsReservedHeader(absl::string_view name) {
  static constexpr absl::string_view kReserved[] = {
      "From", "To", "Cc", "Bcc", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version"};
  for (absl::string_view reserved : kReserved) {
    if (absl::EqualsIgnoreCase(name, reserved)) return true;
  }
  return absl::StartsWithIgnoreCase(name, "Content-");
}

bool IsHeaderName(absl::string_view name) {
  for (char c : name) {
    if (!absl::ascii_isgraph(c) || c == ':') return false;
  }
  return !name.empty() && name.size() <= kMaxHeaderNameBytes;
}

absl::Status CheckHeaders(const google::protobuf::Map<std::string, std::string>& headers,
                          absl::string_view field) {
  if (headers.size() > kMaxExtraHeaders) return InvalidField(field, "must be at most 64");
  // A map has no order of its own; which problem is named first should not change from call to call.
  std::vector<absl::string_view> names;
  for (const auto& [name, value] : headers) names.push_back(name);
  std::sort(names.begin(), names.end());
  for (absl::string_view name : names) {
    const std::string entry =
        absl::StrCat(field, "[\"", absl::CHexEscape(name.substr(0, kMaxHeaderNameBytes)), "\"]");
    if (!IsHeaderName(name)) {
      return InvalidField(entry, "must have a name of 1 to 76 printable ASCII characters without colon");
    }
    if (IsReservedHeader(name)) return InvalidField(entry, "must not be a header that Errand writes itself");
    if (absl::Status status = CheckHeaderText(headers.at(std::string(name)), entry); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateEmail(const v1::EmailTask& email, absl::string_view path) {
  const auto field = [path](absl::string_view name) { return absl::StrCat(path, ".", name); };
  if (email.from().empty()) return InvalidField(field("from"), "must be set");
  if (absl::Status status = CheckAddress(email.from(), field("from")); !status.ok()) return status;
  const int recipients = email.to_size() + email.cc_size() + email.bcc_size();
  if (recipients == 0) return InvalidField(field("to"), "must hold a recipient where cc and bcc are empty");
  if (recipients > kMaxRecipients) {
    return InvalidField(field("to"), "must hold at most 1000 recipients together with cc and bcc");
  }
  if (absl::Status status = CheckAddresses(email.to(), field("to")); !status.ok()) return status;
  if (absl::Status status = CheckAddresses(email.cc(), field("cc")); !status.ok()) return status;
  if (absl::Status status = CheckAddresses(email.bcc(), field("bcc")); !status.ok()) return status;
  if (!email.reply_to().empty()) {
    if (absl::Status status = CheckAddress(email.reply_to(), field("reply_to")); !status.ok()) return status;
  }
  if (absl::Status status = CheckHeaderText(email.subject(), field("subject")); !status.ok()) return status;
  if (email.text().empty() && email.html().empty()) {
    return InvalidField(field("text"), "must be set where html is not");
  }
  if (absl::Status status = CheckBody(email.text(), field("text")); !status.ok()) return status;
  if (absl::Status status = CheckBody(email.html(), field("html")); !status.ok()) return status;
  if (absl::Status status = CheckAttachments(email.attachments(), field("attachments")); !status.ok()) {
    return status;
  }
  return CheckHeaders(email.headers(), field("headers"));
}

}  // namespace errand::task
