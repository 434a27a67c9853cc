#include "server/task/validate_email.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "server/task/email_address.h"
#include "server/task/email_header.h"
#include "server/task/errors.h"
#include "server/task/limits.h"
#include "server/task/name.h"

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

void CheckAddresses(const Addresses& addresses, absl::string_view field, Violations& found) {
  for (int i = 0; i < addresses.size() && !found.full(); ++i) {
    found.Add(CheckAddress(addresses[i], absl::StrCat(field, "[", i, "]")));
  }
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

void CheckAttachments(const google::protobuf::RepeatedPtrField<v1::Attachment>& attachments,
                      absl::string_view field, Violations& found) {
  if (attachments.size() > kMaxAttachments) {
    found.Add(InvalidField(field, "must be at most 64"));
    return;
  }
  uint64_t bytes = 0;
  for (int i = 0; i < attachments.size(); ++i) {
    const v1::Attachment& attachment = attachments[i];
    const std::string name_field = absl::StrCat(field, "[", i, "].filename");
    absl::Status name = CheckHeaderText(attachment.filename(), name_field);
    if (name.ok() && (attachment.filename().empty() || attachment.filename().size() > kMaxFilenameBytes ||
                      absl::StrContains(attachment.filename(), "/"))) {
      name = InvalidField(name_field, "must be 1 to 255 bytes without slash");
    }
    found.Add(name);
    found.Add(CheckContentType(attachment.content_type(), absl::StrCat(field, "[", i, "].content_type")));
    bytes += attachment.data().size();
  }
  if (bytes > kMaxAttachmentBytes) found.Add(InvalidField(field, "must be at most 10 MiB together"));
}

bool IsHeaderName(absl::string_view name) {
  for (char c : name) {
    if (!absl::ascii_isgraph(c) || c == ':') return false;
  }
  return !name.empty() && name.size() <= kMaxHeaderNameBytes;
}

absl::Status CheckStructured(absl::string_view value, absl::string_view field) {
  for (const absl::string_view word : absl::StrSplit(value, absl::ByAnyChar(" \t"))) {
    // With the white space before it, a line's most (RFC 5322 section 2.1.1).
    if (word.size() >= static_cast<size_t>(kMaxHeaderValueBytes)) {
      return InvalidField(field, "must have white space, to be folded at, in each 997 bytes");
    }
  }
  if (absl::c_all_of(value, absl::ascii_isascii)) return absl::OkStatus();
  return InvalidField(field, "must be ASCII: no encoded word may stand there (RFC 2047 section 5)");
}

absl::Status CheckHeader(HeaderKind kind, absl::string_view value, absl::string_view field) {
  absl::Status text = CheckHeaderText(value, field);
  if (!text.ok()) return text;
  switch (kind) {
    case HeaderKind::kReserved:
      return InvalidField(field, "must not be a header that Errand or mail servers write themselves");
    case HeaderKind::kAddresses: {
      const auto parsed = ParseEmailAddresses(value);
      return parsed.ok() ? absl::OkStatus() : InvalidField(field, parsed.status().message());
    }
    case HeaderKind::kStructured:
      return CheckStructured(value, field);
    case HeaderKind::kText:
      break;
  }
  return absl::OkStatus();
}

void CheckHeaders(const google::protobuf::Map<std::string, std::string>& headers, absl::string_view field,
                  Violations& found) {
  if (headers.size() > kMaxExtraHeaders) {
    found.Add(InvalidField(field, "must be at most 64"));
    return;
  }
  // A map has no order of its own; which problem is named first should not change from call to call.
  std::vector<absl::string_view> names;
  for (const auto& [name, value] : headers) names.push_back(name);
  std::sort(names.begin(), names.end());
  absl::flat_hash_set<std::string> names_seen;
  for (absl::string_view name : names) {
    const std::string entry =
        absl::StrCat(field, "[\"", absl::CHexEscape(name.substr(0, kMaxHeaderNameBytes)), "\"]");
    if (!IsHeaderName(name)) {
      found.Add(InvalidField(entry, "must have a name of 1 to 76 printable ASCII characters without colon"));
    } else if (!names_seen.insert(absl::AsciiStrToLower(name)).second) {
      found.Add(InvalidField(entry, "must not be there twice, in whatever case"));
    } else {
      found.Add(CheckHeader(KindOfHeader(name), headers.at(std::string(name)), entry));
    }
  }
}

}  // namespace

absl::Status ValidateEmail(const v1::EmailTask& email, absl::string_view path) {
  const auto field = [path](absl::string_view name) { return absl::StrCat(path, ".", name); };
  Violations found;
  if (email.from().empty()) {
    found.Add(InvalidField(field("from"), "must be set"));
  } else {
    found.Add(CheckAddress(email.from(), field("from")));
  }
  const int recipients = email.to_size() + email.cc_size() + email.bcc_size();
  if (recipients == 0) {
    found.Add(InvalidField(field("to"), "must hold a recipient where cc and bcc are empty"));
  } else if (recipients > kMaxRecipients) {
    found.Add(InvalidField(field("to"), "must hold at most 1000 recipients together with cc and bcc"));
  } else {
    CheckAddresses(email.to(), field("to"), found);
    CheckAddresses(email.cc(), field("cc"), found);
    CheckAddresses(email.bcc(), field("bcc"), found);
  }
  if (!email.profile().empty()) found.Add(CheckId(email.profile(), field("profile")));
  if (!v1::OnUnknown_IsValid(email.on_unknown())) {
    found.Add(InvalidField(field("on_unknown"), "must be a known choice, or unset"));
  }
  if (!email.reply_to().empty()) found.Add(CheckAddress(email.reply_to(), field("reply_to")));
  found.Add(CheckHeaderText(email.subject(), field("subject")));
  if (email.text().empty() && email.html().empty()) {
    found.Add(InvalidField(field("text"), "must be set where html is not"));
  }
  found.Add(CheckBody(email.text(), field("text")));
  found.Add(CheckBody(email.html(), field("html")));
  CheckAttachments(email.attachments(), field("attachments"), found);
  CheckHeaders(email.headers(), field("headers"), found);
  return found.status();
}

}  // namespace errand::task
