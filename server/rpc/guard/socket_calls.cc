// recvmsg, sendmsg and close of this program, which libgrpc calls in the place of the C library's: see
// meter.h. They do what those do, and show what passes to the socket's meter. That is looked up first: with
// it the thread that uses the socket is behind the one that made it, as far as the thread sanitizer can see.
#include <dlfcn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "absl/types/span.h"
#include "server/rpc/guard/meter.h"
#include "server/rpc/guard/metered_sockets.h"
#include "server/rpc/guard/unseen.h"

namespace {

using errand::rpc::Meter;
using errand::rpc::MeteredSockets;
using errand::rpc::Unseen;

// The function that would be called if this file were not there: the C library's, or a sanitizer's before it.
template <class Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

absl::Span<const iovec> Pieces(const msghdr* message) { return {message->msg_iov, message->msg_iovlen}; }

}  // namespace

extern "C" ssize_t recvmsg(int socket, msghdr* message, int flags) {
  static auto* const next = Next<decltype(recvmsg)>("recvmsg");
  Meter* const meter = MeteredSockets::Find(socket);
  ssize_t size;
  {
    const Unseen unseen;
    size = next(socket, message, flags);
  }
  const bool may = meter == nullptr || size <= 0 ||
                   meter->Received(Pieces(message), static_cast<size_t>(size), Meter::Now());
  MeteredSockets::AfterUse(socket);
  if (may) return size;
  shutdown(socket, SHUT_RDWR);
  errno = ECONNRESET;
  return -1;
}

extern "C" ssize_t sendmsg(int socket, const msghdr* message, int flags) {
  static auto* const next = Next<decltype(sendmsg)>("sendmsg");
  Meter* const meter = MeteredSockets::Find(socket);
  ssize_t size;
  {
    const Unseen unseen;
    size = next(socket, message, flags);
  }
  if (meter != nullptr && size > 0) meter->Sent(Pieces(message), static_cast<size_t>(size), Meter::Now());
  MeteredSockets::AfterUse(socket);
  return size;
}

extern "C" int close(int descriptor) {
  static auto* const next = Next<decltype(close)>("close");
  MeteredSockets::Detach(descriptor);
  return next(descriptor);
}
