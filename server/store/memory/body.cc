#include "server/store/memory/body.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "google/protobuf/io/coded_stream.h"

namespace errand::store {
namespace {

using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;

constexpr size_t kSizeBytes = 4;

google::protobuf::MessageLite& HandlerOf(task::HandlerKind kind, v1::Task& task) {
  if (kind == task::HandlerKind::kLua) return *task.mutable_lua();
  return *task.mutable_email();
}

void Merge(absl::string_view bytes, google::protobuf::MessageLite& message) {
  CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int>(bytes.size()));
  (void)message.MergeFromCodedStream(&input);
}

}  // namespace

Body PackBody(v1::Task& task) {
  google::protobuf::MessageLite& handler = HandlerOf(task::KindOf(task), task);
  std::string name = std::move(*task.mutable_name());
  task.clear_name();
  // Where the server chose the id, it is the uid.
  const bool same = task.uid() == IdOf(name);
  std::string uid = same ? std::move(*task.mutable_uid()) : "";
  if (same) task.clear_uid();

  const size_t whole_size = task.ByteSizeLong();
  const auto handler_size = static_cast<uint32_t>(handler.GetCachedSize());
  // In BASIC view an empty message stands for the handler's, with a length of one byte.
  const size_t basic_size = whole_size - handler_size - CodedOutputStream::VarintSize32(handler_size) + 1;
  Body body;
  body.size = static_cast<uint32_t>(kSizeBytes + handler_size + basic_size);
  body.bytes = std::make_unique_for_overwrite<char[]>(body.size);
  auto* end = reinterpret_cast<uint8_t*>(body.bytes.get());
  end = CodedOutputStream::WriteLittleEndian32ToArray(handler_size, end);
  end = handler.SerializeWithCachedSizesToArray(end);
  handler.Clear();
  task.ByteSizeLong();  // Caches the sizes as they are now; this one is basic_size.
  task.SerializeWithCachedSizesToArray(end);

  task.set_name(std::move(name));
  if (same) task.set_uid(std::move(uid));
  return body;
}

void UnpackBody(absl::string_view body, task::HandlerKind kind, v1::TaskView view, v1::Task& task) {
  uint32_t handler_size = 0;
  if (body.size() < kSizeBytes) return;
  CodedInputStream::ReadLittleEndian32FromArray(reinterpret_cast<const uint8_t*>(body.data()), &handler_size);
  body.remove_prefix(kSizeBytes);
  const size_t handler_bytes = std::min<size_t>(handler_size, body.size());
  Merge(body.substr(handler_bytes), task);
  if (task.uid().empty()) task.set_uid(std::string(IdOf(task.name())));
  if (view == v1::TASK_VIEW_FULL) Merge(body.substr(0, handler_bytes), HandlerOf(kind, task));
}

}  // namespace errand::store
