#include "server/service/broken_message.h"

#include <map>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/unknown_field_set.h"
#include "server/task/errors.h"
#include "text/utf8.h"

namespace errand::service {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;

// Our messages nest less deep.
constexpr int kMaxDepth = 32;
constexpr size_t kMaxShownKey = 63;

// The text of a map's entry that has a key.
std::string KeyOf(const UnknownFieldSet& entry) {
  for (int i = 0; i < entry.field_count(); ++i) {
    const UnknownField& field = entry.field(i);
    if (field.number() != 1) continue;
    if (field.type() == UnknownField::TYPE_VARINT) return absl::StrCat(field.varint());
    if (field.type() == UnknownField::TYPE_LENGTH_DELIMITED) {
      return absl::StrCat("\"", absl::CHexEscape(field.length_delimited().substr(0, kMaxShownKey)), "\"");
    }
  }
  return "\"\"";
}

// Adds the strings of a message at `path` that are not UTF-8. The bytes are taken apart as fields that nobody
// knows, which are parsed whatever they hold.
void FindBadText(const Descriptor& type, absl::string_view bytes, const std::string& path, int depth,
                 task::Violations& found) {
  UnknownFieldSet fields;
  if (depth > kMaxDepth || !fields.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  const bool is_map_entry = type.options().map_entry();
  const std::string key = is_map_entry ? absl::StrCat("[", KeyOf(fields), "]") : "";
  std::map<int, int> seen;  // How many of each repeated field.
  for (int i = 0; i < fields.field_count() && !found.full(); ++i) {
    const UnknownField& field = fields.field(i);
    const FieldDescriptor* known = type.FindFieldByNumber(field.number());
    if (known == nullptr || field.type() != UnknownField::TYPE_LENGTH_DELIMITED) continue;
    std::string place = path;
    if (is_map_entry) {
      place += key;
    } else {
      absl::StrAppend(&place, path.empty() ? "" : ".", known->name());
      if (known->is_repeated() && !known->is_map())
        absl::StrAppend(&place, "[", seen[known->number()]++, "]");
    }
    const absl::string_view value = field.length_delimited();
    if (known->type() == FieldDescriptor::TYPE_MESSAGE) {
      FindBadText(*known->message_type(), value, place, depth + 1, found);
    } else if (known->type() == FieldDescriptor::TYPE_STRING && !text::IsUtf8(value)) {
      found.Add(task::InvalidField(place, "must be UTF-8 (use `bytes` fields for anything else)"));
    }
  }
}

}  // namespace

absl::Status ExplainBroken(const Descriptor& type, absl::string_view bytes) {
  task::Violations found;
  FindBadText(type, bytes, "", 0, found);
  if (!found.ok()) return std::move(found).status();
  return task::Error(absl::StatusCode::kInvalidArgument, "INVALID_MESSAGE",
                     absl::StrCat("the request is not a message of type ", type.full_name()));
}

}  // namespace errand::service
