#ifndef ERRAND_SERVER_HANDLERS_EMAIL_TRANSPORT_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_TRANSPORT_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "server/handlers/email/socket.h"
#include "server/handlers/email/tls_channel.h"
#include "server/io/loop.h"

namespace errand::handlers {

// A connected socket on the loop, in clear text and later, perhaps, under TLS. All calls on the loop's
// thread.
class Transport : private io::FdHandler {
 public:
  // Called on the loop's thread, never from within a call to the transport. The owner may call the transport
  // from each of these, Close too, but must not destroy it there.
  class Owner {
   public:
    virtual ~Owner() = default;

    // Bytes came, decrypted where TLS is up.
    virtual void OnReceived(absl::string_view bytes) = 0;

    // What could not be written at once has gone out; drained() is true.
    virtual void OnDrained() = 0;

    // The handshake that StartTls began is done, the certificate good.
    virtual void OnTlsUp() = 0;

    // TLS failed, or the connection is lost: nothing more can be sent or received. `why` is for people.
    virtual void OnTlsFailed(absl::string_view why) = 0;
    virtual void OnLost(absl::string_view why) = 0;
  };

  // `loop` and `owner` are borrowed.
  Transport(io::Loop* loop, Socket socket, Owner* owner);
  ~Transport() override;

  // Begins to watch the socket. Once, first.
  absl::Status Open();

  // From here on everything goes through `tls`. Once, when drained().
  void StartTls(std::unique_ptr<TlsChannel> tls);

  // Sends `bytes`, now or when the network takes them. What the caller keeps writing without waiting for
  // drained() is kept in memory.
  void Write(absl::string_view bytes);

  // The kernel has all that was written.
  bool drained() const { return sent_ == out_.size(); }

  // "TLSv1.3", or "no TLS".
  std::string DescribeTls() const { return tls_ == nullptr ? "no TLS" : tls_->Describe(); }

  // Closes the connection; no call to the owner follows. May be repeated.
  void Close();

 private:
  void OnReady(uint32_t events) override;
  void Receive();
  bool OnCipherText(absl::string_view bytes);
  void Flush();
  void Watch();
  void Lost(absl::string_view why);

  io::Loop* const loop_;
  Owner* const owner_;
  Socket socket_;
  std::unique_ptr<TlsChannel> tls_;
  std::string out_;  // As it goes over the wire; [sent_, size) is left.
  size_t sent_ = 0;
  uint32_t watched_ = 0;     // The events that the loop waits for.
  std::string write_error_;  // Set when the socket takes no more.
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_TRANSPORT_H_
