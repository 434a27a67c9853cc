#include "server/handlers/email/delivery.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/handlers/email/message.h"
#include "server/task/duration.h"
#include "server/task/email_address.h"
#include "server/task/limits.h"
#include "text/utf8.h"

namespace errand::handlers {

Delivery::Delivery(io::Loop* loop, Owner* owner, Attempt attempt, absl::string_view message_id_domain,
                   std::unique_ptr<AttemptObserver> observer, clock::Moment started)
    : loop_(loop),
      attempt_(std::move(attempt)),
      started_(started),
      observer_(std::move(observer)),
      message_id_(MessageId(attempt_.task->uid(), attempt_.task->email(), message_id_domain)),
      receipt_(attempt_.task->email(), attempt_.previous_result.email(), message_id_, attempt_.number),
      run_time_left_(task::FromProto(attempt_.task->run_timeout())),
      run_timer_(loop_, [this, owner] { owner->OnRunTimeout(this); }) {}

SmtpEnvelope Delivery::NextEnvelope() {
  return {task::ParseEmailAddress(attempt_.task->email().from())->address, receipt_.open(), message().size()};
}

const std::string& Delivery::message() {
  if (message_.empty()) {
    message_ =
        BuildMessage(attempt_.task->email(), message_id_, MessageDate(*attempt_.task, attempt_.create_time));
  }
  return message_;
}

void Delivery::RunClock() {
  clock_runs_since_ = clock::Instant::Now();
  run_timer_.Set(run_time_left_);
}

void Delivery::StopClock() {
  if (!run_timer_.is_set()) return;
  run_timer_.Cancel();
  run_time_left_ -= clock::Instant::Now() - clock_runs_since_;
}

void Delivery::NoteHandOver(const std::vector<v1::SmtpReply>& replies, absl::string_view server,
                            absl::AnyInvocable<void(absl::Status)> noted) {
  v1::TaskResult result;
  *result.mutable_email() = receipt_.HandedOver(replies, server);
  observer_->Keep(std::move(result), std::move(noted));
}

void Delivery::Say(v1::LogLevel level, absl::string_view text) {
  v1::TaskEvent event;
  event.mutable_log()->set_level(level);
  event.mutable_log()->set_message(text::Shortened(text, task::kMaxLogLineBytes - 3));
  observer_->OnEvent(std::move(event));
}

void Delivery::SayRecipients(const std::vector<v1::SmtpReply>& replies) {
  const std::vector<std::string>& asked = receipt_.open();
  const auto accepted = std::count_if(replies.begin(), replies.end(), IsPositive);
  Say(absl::StrCat(accepted, " of ", asked.size(), " recipients accepted"));
  for (size_t i = 0; i < replies.size() && refusals_told_ < kMaxRefusalsTold; ++i) {
    if (IsPositive(replies[i])) continue;
    ++refusals_told_;
    Say(v1::LOG_LEVEL_WARNING, absl::StrCat("<", asked[i], "> refused: ", ToString(replies[i])));
  }
}

void Delivery::Add(const SmtpTranscript& transcript, absl::string_view server) {
  receipt_.Add(transcript, server);
}

void Delivery::PutOff(absl::Duration delay) {
  Outcome outcome;
  outcome.status = absl::UnavailableError("others wait for the same mail server");
  outcome.put_off = delay;
  std::exchange(observer_, nullptr)->OnDone(std::move(outcome));
}

void Delivery::Report() {
  run_timer_.Cancel();
  Outcome outcome = receipt_.Conclude();
  *outcome.usage.mutable_wall_time() = task::ToProto(clock::Instant::Now() - started_.instant);
  outcome.usage.set_output_bytes(static_cast<int64_t>(message_.size()));
  std::exchange(observer_, nullptr)->OnDone(std::move(outcome));
}

}  // namespace errand::handlers
