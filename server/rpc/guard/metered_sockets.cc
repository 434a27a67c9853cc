#include "server/rpc/guard/metered_sockets.h"

#include <atomic>
#include <utility>

#include "server/rpc/guard/unseen.h"

namespace errand::rpc {
namespace {

// Pages of it that are never used take no memory.
constexpr int kMost = 1 << 20;
std::atomic<std::shared_ptr<Meter>*> meters[kMost];

}  // namespace

void MeteredSockets::Attach(int socket, std::shared_ptr<Meter> meter) {
  if (socket < 0 || socket >= kMost) return;
  delete meters[socket].exchange(new std::shared_ptr<Meter>(std::move(meter)));
}

Meter* MeteredSockets::Find(int socket) {
  if (socket < 0 || socket >= kMost) return nullptr;
  const std::shared_ptr<Meter>* meter = meters[socket].load(std::memory_order_acquire);
  return meter == nullptr ? nullptr : meter->get();
}

void MeteredSockets::AfterUse(int socket) {
  if (socket >= 0 && socket < kMost) OrderBefore(&meters[socket]);
}

void MeteredSockets::Detach(int socket) {
  if (socket < 0 || socket >= kMost) return;
  OrderAfter(&meters[socket]);
  if (Find(socket) != nullptr) delete meters[socket].exchange(nullptr);
}

}  // namespace errand::rpc
