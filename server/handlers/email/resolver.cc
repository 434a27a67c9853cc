#include "server/handlers/email/resolver.h"

#include <algorithm>
#include <utility>

namespace errand::handlers {
namespace {

constexpr absl::Duration kShortestStay = absl::Seconds(1);
constexpr absl::Duration kLongestStay = absl::Minutes(5);

}  // namespace

Resolver::Resolver(io::Loop* loop, ServerAddress server)
    : loop_(loop), server_(std::move(server)), known_(absl::NotFoundError("")) {}

Resolver::RequestId Resolver::Resolve(Done done) {
  const RequestId id = next_id_++;
  if (known_.ok() && clock::Instant::Now() < known_until_) {
    done(known_);
    return id;
  }
  waiting_.emplace(id, std::move(done));
  if (std::exchange(looking_up_, true)) return id;
  lookup_ = std::make_unique<HostLookup>(loop_, server_);
  lookup_->Start([this](absl::StatusOr<HostAddresses> answer) { OnAnswer(std::move(answer)); });
  return id;
}

void Resolver::OnAnswer(absl::StatusOr<HostAddresses> answer) {
  looking_up_ = false;
  if (answer.ok()) {
    known_ = std::move(answer->addresses);
    known_until_ = clock::Instant::Now() + std::clamp(answer->ttl, kShortestStay, kLongestStay);
  } else {
    known_ = answer.status();
  }
  const absl::StatusOr<std::vector<SocketAddress>> told = known_;
  // Whoever is told may ask anew, or have another cancel.
  std::vector<RequestId> ids;
  for (const auto& [id, done] : waiting_) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  for (const RequestId id : ids) {
    auto waiting = waiting_.extract(id);
    if (!waiting.empty()) waiting.mapped()(told);
  }
}

}  // namespace errand::handlers
