#include "client/cli/json.h"

#include <google/protobuf/util/json_util.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/cli/printable.h"
#include "google/rpc/error_details.pb.h"

namespace errand::cli {
namespace {

namespace pb = google::protobuf;

constexpr size_t kMaxProblemBytes = 300;

void KeepKnownDetails(google::rpc::Status& error) {
  // The linker keeps the details' descriptors only because of this.
  google::rpc::ErrorInfo::descriptor();
  google::rpc::Status known;
  for (const pb::Any& detail : error.details()) {
    const absl::string_view url(detail.type_url());
    const std::string type(url.substr(url.rfind('/') + 1));
    const pb::Descriptor* descriptor = pb::DescriptorPool::generated_pool()->FindMessageTypeByName(type);
    if (descriptor == nullptr) continue;
    const std::unique_ptr<pb::Message> message(
        pb::MessageFactory::generated_factory()->GetPrototype(descriptor)->New());
    if (message->ParseFromString(detail.value())) *known.add_details() = detail;
  }
  known.mutable_details()->Swap(error.mutable_details());
}

// In `message` and all that it holds. A google.rpc.Status may stand anywhere: in a task, its attempts, an
// event, a list.
void KeepKnownDetailsIn(pb::Message& message) {
  if (message.GetDescriptor() == google::rpc::Status::descriptor()) {
    KeepKnownDetails(static_cast<google::rpc::Status&>(message));
    return;
  }
  const pb::Reflection& reflection = *message.GetReflection();
  std::vector<const pb::FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const pb::FieldDescriptor* field : fields) {
    // Our maps hold no messages.
    if (field->cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE || field->is_map()) continue;
    if (!field->is_repeated()) {
      KeepKnownDetailsIn(*reflection.MutableMessage(&message, field));
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      KeepKnownDetailsIn(*reflection.MutableRepeatedMessage(&message, field, i));
    }
  }
}

// What is wrong with a value, from the words of protobuf's parser.
std::string Problem(absl::string_view text) {
  if (text == "Cannot find field.") return "there is no such field";
  if (absl::StrContains(text, "Illegal duration")) return "must be a duration such as \"5s\"";
  if (absl::StrContains(text, "Invalid time format")) {
    return "must be a time such as \"2030-01-31T08:00:00Z\"";
  }
  if (!absl::ConsumePrefix(&text, "invalid value ")) return std::string(absl::StripSuffix(text, "."));
  const size_t split = text.rfind(" for type ");
  if (split == absl::string_view::npos) return std::string(text);
  const absl::string_view value = text.substr(0, split);
  absl::string_view type = text.substr(split + 10);
  if (type == "oneof") return "only one of its kinds may be given";
  if (type == "TYPE_STRING") {
    type = "a text in quotation marks";
  } else if (type == "TYPE_BYTES") {
    type = "base64";
  } else if (type == "TYPE_BOOL") {
    type = "true or false";
  } else if (absl::StrContains(type, "INT")) {
    type = "a whole number in range";
  } else if (type == "TYPE_DOUBLE" || type == "TYPE_FLOAT") {
    type = "a number";
  } else {
    type.remove_prefix(type.rfind('.') == absl::string_view::npos ? 0 : type.rfind('.') + 1);
    return absl::StrCat(value, " is not a valid ", type);
  }
  return absl::StrCat(value, " is not ", type);
}

// protobuf says "(path) name: text", "name: text" or "(path): text" about a field, and "text, line, caret"
// about the JSON itself.
absl::Status Explain(absl::string_view source, absl::string_view type, absl::string_view text) {
  const auto error = [&](absl::string_view field, absl::string_view problem) {
    return absl::InvalidArgumentError(
        absl::StrCat(source, " is not a valid ", field.empty() ? "JSON object" : type, " (", field,
                     field.empty() ? "" : ": ", problem.substr(0, kMaxProblemBytes), ")"));
  };
  absl::string_view path;
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "(") && absl::StrContains(rest, ')')) {
    path = rest.substr(0, rest.find(')'));
    rest.remove_prefix(path.size() + 1);
    absl::ConsumePrefix(&rest, " ");
  } else {
    rest = text;
  }
  const size_t colon = rest.find(": ");
  const absl::string_view name = rest.substr(0, colon);
  if (colon == absl::string_view::npos || absl::StrContains(name, '\n')) {
    const absl::string_view line = text.substr(0, text.find('\n'));
    return error("", Printable(line));
  }
  const std::string field = absl::StrCat(path, path.empty() || name.empty() ? "" : ".", name);
  return error(Printable(field), Printable(Problem(rest.substr(colon + 2))));
}

// The field of the document itself, not of a message in it, that `error` does not know; empty when it is
// about something else.
std::string UnknownField(const pb::util::Status& error) {
  absl::string_view text(error.message().data(), error.message().size());
  if (absl::StartsWith(text, "(") || !absl::ConsumeSuffix(&text, ": Cannot find field.")) return "";
  return std::string(text);
}

bool HasField(const pb::Descriptor& type, const std::string& name) {
  if (type.FindFieldByName(name) != nullptr) return true;
  for (int i = 0; i < type.field_count(); ++i) {
    if (type.field(i)->json_name() == name) return true;
  }
  return false;
}

}  // namespace

std::string ToJson(const pb::Message& message, bool indent, bool zeros) {
  const std::unique_ptr<pb::Message> known(message.New());
  known->CopyFrom(message);
  KeepKnownDetailsIn(*known);
  pb::util::JsonPrintOptions options;
  options.add_whitespace = indent;
  options.always_print_primitive_fields = zeros;
  std::string json;
  // Cannot fail but for Any, which was taken care of.
  (void)pb::util::MessageToJsonString(*known, &json, options);
  if (!absl::EndsWith(json, "\n")) json += '\n';
  return json;
}

absl::StatusOr<v1::CreateTaskRequest> RequestFromJson(absl::string_view source, const std::string& json) {
  v1::CreateTaskRequest request;
  const pb::util::Status as_request = pb::util::JsonStringToMessage(json, &request);
  if (as_request.ok()) return request;
  request.Clear();
  const pb::util::Status as_task = pb::util::JsonStringToMessage(json, request.mutable_task());
  if (as_task.ok()) return request;
  // Which of the two was meant: a request, when its own fields are fine or one of them is no task's.
  const std::string strange = UnknownField(as_task);
  const bool is_request =
      UnknownField(as_request).empty() || HasField(*v1::CreateTaskRequest::descriptor(), strange);
  return Explain(source, is_request ? "CreateTaskRequest" : "Task",
                 std::string((is_request ? as_request : as_task).message()));
}

}  // namespace errand::cli
