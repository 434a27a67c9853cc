#ifndef ERRAND_SERVER_SERVICE_RECEIVED_H_
#define ERRAND_SERVER_SERVICE_RECEIVED_H_

#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/server_context.h>

#include <string>

#include "absl/status/status.h"
#include "server/rpc/loop.h"
#include "server/service/broken_message.h"

// How requests come in. gRPC answers bytes that are no message of the method's type, a string that is not
// UTF-8 for example, with INTERNAL and no details, before the service sees anything. Here the service gets
// what was received, message or not, and answers itself.
namespace errand::service {

template <class Message>
struct Received {
  // `into` is borrowed.
  explicit Received(Message& into) : message(into) {}

  Message& message;
  absl::Status status;  // Why there is none, for the client; or OK.
};

// A generated service whose methods take Received messages in place of messages.
template <class Generated>
class ReceivingService : public Generated {
 public:
  template <class Request, class Writer>
  void AcceptUnary(grpc::ServerContext& context, Received<Request>& request, Writer& writer, rpc::Loop& loop,
                   void* tag) {
    this->RequestAsyncUnary(MethodOf<Request>(), &context, &request, &writer, loop.queue(), loop.queue(),
                            tag);
  }
  template <class Request, class Writer>
  void AcceptStreaming(grpc::ServerContext& context, Received<Request>& request, Writer& writer,
                       rpc::Loop& loop, void* tag) {
    this->RequestAsyncServerStreaming(MethodOf<Request>(), &context, &request, &writer, loop.queue(),
                                      loop.queue(), tag);
  }

 private:
  // The place in its service of the method that takes Requests: no other does.
  template <class Request>
  static int MethodOf() {
    static const int index = [] {
      const google::protobuf::FileDescriptor& file = *Request::descriptor()->file();
      for (int i = 0; i < file.service(0)->method_count(); ++i) {
        if (file.service(0)->method(i)->input_type() == Request::descriptor()) return i;
      }
      return -1;
    }();
    return index;
  }
};

}  // namespace errand::service

namespace grpc {

template <class Message>
class SerializationTraits<errand::service::Received<Message>, void> {
 public:
  // Never fails: what it is given counts as received.
  static Status Deserialize(ByteBuffer* bytes, errand::service::Received<Message>* received) {
    ProtoBufferReader reader(bytes);
    const bool parsed = reader.status().ok() && received->message.ParseFromZeroCopyStream(&reader);
    if (!parsed) {
      Slice slice;
      const bool readable = bytes->DumpToSingleSlice(&slice).ok();
      const absl::string_view text(reinterpret_cast<const char*>(slice.begin()), readable ? slice.size() : 0);
      received->status = errand::service::ExplainBroken(*Message::descriptor(), text);
    }
    bytes->Clear();
    return Status::OK;
  }
};

}  // namespace grpc

#endif  // ERRAND_SERVER_SERVICE_RECEIVED_H_
