#include "server/handlers/email/transport.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace errand::handlers {
namespace {

constexpr size_t kReadBytes = 16 << 10;

std::string ConnectionLost(int error) {
  return absl::StrCat("the connection was lost: ", std::generic_category().message(error));
}

}  // namespace

Transport::Transport(io::Loop* loop, Socket socket, Owner* owner)
    : loop_(loop), owner_(owner), socket_(std::move(socket)) {}

Transport::~Transport() { Close(); }

absl::Status Transport::Open() {
  absl::Status status = loop_->Add(socket_.fd(), EPOLLIN, this);
  if (status.ok()) {
    watched_ = EPOLLIN;
  } else {
    socket_.Close();
  }
  return status;
}

void Transport::Close() {
  if (!socket_.is_open()) return;
  // Nothing that still waits may go out now: it could be the final dot of a message that was given up.
  if (tls_ != nullptr && tls_->up() && drained() && write_error_.empty()) {
    // As far as the socket takes it without waiting (RFC 8446 section 6.1).
    tls_->SayGoodbye();
    tls_->TakeOutput(out_);
    Flush();
  }
  loop_->Remove(socket_.fd(), this);
  socket_.Close();
}

void Transport::StartTls(std::unique_ptr<TlsChannel> tls) {
  tls_ = std::move(tls);
  std::string nothing;
  // The first flight depends on nothing that came from the server, so this cannot fail for its sake.
  tls_->Feed("", nothing).IgnoreError();
  tls_->TakeOutput(out_);
  Flush();
}

void Transport::Write(absl::string_view bytes) {
  if (!socket_.is_open() || bytes.empty()) return;
  if (tls_ == nullptr) {
    out_.append(bytes.data(), bytes.size());
  } else {
    if (!tls_->Encrypt(bytes)) write_error_ = "the connection was lost: TLS cannot encrypt";
    tls_->TakeOutput(out_);
  }
  Flush();
}

void Transport::Flush() {
  while (sent_ < out_.size() && write_error_.empty()) {
    const ssize_t count = send(socket_.fd(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (count >= 0) {
      sent_ += count;
    } else if (errno == EAGAIN) {
      break;
    } else if (errno != EINTR) {
      write_error_ = ConnectionLost(errno);
    }
  }
  if (drained()) {
    out_.clear();
    sent_ = 0;
  }
  Watch();
}

void Transport::Watch() {
  // After a failed write the loop reports the socket as ready, and OnReady reads what the server said last
  // before it tells the owner.
  const uint32_t events = drained() && write_error_.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT;
  if (events == watched_) return;
  watched_ = events;
  loop_->Modify(socket_.fd(), events, this).IgnoreError();  // The descriptor is registered: cannot fail.
}

void Transport::OnReady(uint32_t events) {
  if (events & EPOLLOUT && !drained()) {
    Flush();
    if (drained()) owner_->OnDrained();
  }
  if (socket_.is_open()) Receive();
  if (socket_.is_open() && !write_error_.empty()) Lost(write_error_);
}

void Transport::Receive() {
  char buffer[kReadBytes];
  // A bounded number of reads, so that one flooding server does not keep the loop from the others.
  for (int reads = 0; reads < 8 && socket_.is_open(); ++reads) {
    const ssize_t count = recv(socket_.fd(), buffer, sizeof buffer, 0);
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) Lost(ConnectionLost(errno));
      return;
    }
    if (count == 0) return Lost("the mail server closed the connection");
    const absl::string_view bytes(buffer, count);
    if (tls_ == nullptr) {
      owner_->OnReceived(bytes);
    } else if (!OnCipherText(bytes)) {
      return;
    }
  }
}

bool Transport::OnCipherText(absl::string_view bytes) {
  const bool was_up = tls_->up();
  std::string clear_text;
  const absl::Status status = tls_->Feed(bytes, clear_text);
  tls_->TakeOutput(out_);  // Handshake messages, and alerts that tell the server why it failed.
  Flush();
  if (!was_up && tls_->up()) owner_->OnTlsUp();
  if (!clear_text.empty() && socket_.is_open()) owner_->OnReceived(clear_text);
  if (!socket_.is_open()) return false;
  if (!status.ok()) {
    owner_->OnTlsFailed(status.message());
    return false;
  }
  if (tls_->closed()) {
    Lost("the mail server closed the connection");
    return false;
  }
  return true;
}

void Transport::Lost(absl::string_view why) {
  if (tls_ != nullptr && !tls_->up()) {
    owner_->OnTlsFailed(absl::StrCat(why, " during the TLS handshake"));
  } else {
    owner_->OnLost(why);
  }
}

}  // namespace errand::handlers
