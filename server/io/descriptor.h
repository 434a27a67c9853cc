#ifndef ERRAND_SERVER_IO_DESCRIPTOR_H_
#define ERRAND_SERVER_IO_DESCRIPTOR_H_

#include <unistd.h>

#include <utility>

namespace errand::io {

// A file descriptor, closed with its owner.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.Release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { Close(); }

  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }

  // The caller closes it.
  int Release() { return std::exchange(fd_, -1); }
  void Close() {
    if (is_open()) close(Release());
  }

 private:
  int fd_ = -1;
};

}  // namespace errand::io

#endif  // ERRAND_SERVER_IO_DESCRIPTOR_H_
