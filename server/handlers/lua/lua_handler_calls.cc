// What scripts ask LuaHandler for.
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/clock/instant.h"
#include "server/handlers/lua/lua_handler.h"
#include "server/handlers/lua/lua_worker.h"

namespace errand::handlers {

bool LuaHandler::OnCall(LuaWorker& worker, LuaAttempt& attempt, const sandbox::Call& call) {
  if (call.leaves != (call.function == sandbox::Function::kSubmit)) return false;
  if (call.leaves) {
    attempt.set_request(call.arguments);  // To be made once it has left.
    return true;
  }
  SendAnswer(worker, attempt.id(), CallShared(attempt, call));
  return true;
}

absl::StatusOr<std::string> LuaHandler::CallShared(const LuaAttempt& attempt, const sandbox::Call& call) {
  sandbox::SharedArguments arguments;
  if (!sandbox::Parse(call.arguments, arguments)) return absl::InvalidArgumentError("malformed arguments");
  const absl::string_view key(arguments.key.data(), arguments.key.size());
  const absl::string_view value(arguments.value.data(), arguments.value.size());
  if (key.empty() || key.size() > SharedValues::kMaxKeyBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a key has 1 to ", SharedValues::kMaxKeyBytes, " bytes, not ", key.size()));
  }
  const clock::Instant now = clock::Instant::Now();
  const clock::Instant expiry = arguments.ttl_millis == 0
                                    ? clock::Instant::InfiniteFuture()
                                    : now + absl::Milliseconds(static_cast<int64_t>(arguments.ttl_millis));
  const std::string& queue = attempt.queue();
  switch (call.function) {
    case sandbox::Function::kSharedGet:
      return std::string(shared_.Get(queue, key, now));
    case sandbox::Function::kSharedSet:
      if (absl::Status set = shared_.Set(queue, key, value, expiry, now); !set.ok()) return set;
      return "";
    case sandbox::Function::kSharedAdd: {
      const absl::StatusOr<bool> added = shared_.Add(queue, key, value, expiry, now);
      if (!added.ok()) return added.status();
      return *added ? "1" : "";
    }
    case sandbox::Function::kSharedIncrement: {
      const absl::StatusOr<int64_t> sum = shared_.Increment(queue, key, arguments.by, expiry, now);
      if (!sum.ok()) return sum.status();
      return absl::StrCat(*sum);
    }
    case sandbox::Function::kSharedDelete:
      shared_.Delete(queue, key);
      return "";
    case sandbox::Function::kSubmit:
      break;
  }
  return absl::InternalError("unknown function");
}

// The attempt is parked.
void LuaHandler::Submit(LuaAttempt& attempt, std::string request) {
  const AttemptId id = attempt.id();
  if (options_.submit == nullptr) {
    OnAnswer(id, absl::UnimplementedError("this server creates no tasks for scripts"));
  } else if (!attempt.CountChild()) {
    OnAnswer(id, absl::ResourceExhaustedError(
                     absl::StrCat("an attempt may create at most ", LuaAttempt::kMaxChildren, " tasks")));
  } else {
    options_.submit(
        Submitter{attempt.task_name(), attempt.lease_token()}, std::move(request),
        [loop = loop_, weak = std::weak_ptr<LuaHandler*>(self_), id](absl::StatusOr<std::string> answer) {
          loop->Post([weak, id, answer = std::move(answer)]() mutable {
            if (const auto self = weak.lock()) (*self)->OnAnswer(id, std::move(answer));
          });
        });
  }
}

void LuaHandler::OnAnswer(AttemptId id, absl::StatusOr<std::string> answer) {
  absl::MutexLock lock(&mu_);
  std::unique_ptr<LuaAttempt> attempt = LeaveParked(parked_.Take(id));
  if (attempt == nullptr) return;  // It is over.
  attempt->set_answer(std::move(answer));
  Resume(std::move(attempt), LuaAttempt::MonotonicNow());
  Dispatch();
}

void LuaHandler::SendAnswer(LuaWorker& worker, AttemptId id, const absl::StatusOr<std::string>& answer) {
  std::string batch;
  sandbox::StartBatch(batch);
  const absl::string_view text = answer.ok() ? absl::string_view(*answer) : answer.status().message();
  sandbox::Append(sandbox::Answer{id, answer.ok(), std::string_view(text.data(), text.size())}, batch);
  sandbox::FinishBatch(batch);
  worker.process->Send(batch);
}

}  // namespace errand::handlers
