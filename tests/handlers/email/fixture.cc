#include "tests/handlers/email/fixture.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"

namespace errand::handlers {
namespace {

class RecordingObserver : public AttemptObserver {
 public:
  explicit RecordingObserver(std::shared_ptr<Pending> pending) : pending_(std::move(pending)) {}
  void OnEvent(v1::TaskEvent event) override {
    absl::MutexLock lock(&pending_->mu);
    pending_->said.push_back(event.log().message());
  }
  void Keep(v1::TaskResult result, absl::AnyInvocable<void(absl::Status)> kept) override {
    absl::Status status;
    {
      absl::MutexLock lock(&pending_->mu);
      pending_->kept.push_back(result.email());
      status = pending_->keeping;
      if (pending_->holds_keep) {
        pending_->held = std::move(kept);
        return;
      }
    }
    kept(status);
  }
  void OnDone(Outcome outcome) override {
    pending_->outcome = std::move(outcome);
    pending_->done.Notify();
  }

 private:
  const std::shared_ptr<Pending> pending_;
};

}  // namespace

std::string ReasonOf(const Outcome& outcome) {
  if (outcome.status.ok()) return "OK";
  google::rpc::ErrorInfo info;
  const auto payload = outcome.status.GetPayload("type.googleapis.com/google.rpc.ErrorInfo");
  if (!payload.has_value() || !info.ParseFromString(std::string(*payload))) return "no ErrorInfo";
  return info.reason();
}

EmailHandlerFixture::~EmailHandlerFixture() {
  // The handler first: it may still say QUIT to the server.
  handler_.reset();
  server_.reset();
}

SmtpProfile EmailHandlerFixture::Options(const std::string& host) const {
  SmtpProfile options;
  options.server = absl::StrCat(host, ":", server_ == nullptr ? 1 : server_->port());
  options.tls = TlsMode::kNone;
  options.helo_name = "errand.example";
  return options;
}

void EmailHandlerFixture::Serve(FakeSmtpServer::Options options) {
  server_ = std::make_unique<FakeSmtpServer>(std::move(options));
  Handle(Options());
}

void EmailHandlerFixture::Handle(SmtpProfile profile, absl::Duration destructor_patience) {
  handler_.reset();
  EmailHandlerOptions options;
  options.profiles.push_back(std::move(profile));
  options.destructor_patience = destructor_patience;
  auto handler = EmailHandler::Create(options, &loop_);
  ASSERT_TRUE(handler.ok()) << handler.status();
  handler_ = *std::move(handler);
}

Attempt EmailHandlerFixture::NewAttempt(const std::vector<std::string>& to) {
  Attempt attempt;
  attempt.id = ++last_id_;
  attempt.number = 1;
  v1::Task task;
  task.set_name(absl::StrCat("queues/default/tasks/t", attempt.id));
  task.set_uid(absl::StrCat("uid-", attempt.id));
  task.mutable_run_timeout()->set_seconds(300);
  v1::EmailTask* email = task.mutable_email();
  email->set_from("Errand <errand@example.org>");
  for (const std::string& recipient : to) email->add_to(recipient);
  email->set_subject("Hello");
  email->set_text("Hello\n.\n..two\nbye\n");
  attempt.task = std::make_shared<const v1::Task>(std::move(task));
  return attempt;
}

std::shared_ptr<Pending> EmailHandlerFixture::Start(Attempt attempt, std::shared_ptr<Pending> pending) {
  if (pending == nullptr) pending = std::make_shared<Pending>();
  handler_->Start(std::move(attempt), std::make_unique<RecordingObserver>(pending));
  return pending;
}

Outcome EmailHandlerFixture::Await(const std::shared_ptr<Pending>& pending) {
  if (!pending->done.WaitForNotificationWithTimeout(absl::Minutes(1))) {
    ADD_FAILURE() << "the attempt did not end";
    return {};
  }
  return pending->outcome;
}

Outcome EmailHandlerFixture::Deliver(Attempt attempt) { return Await(Start(std::move(attempt))); }

}  // namespace errand::handlers
