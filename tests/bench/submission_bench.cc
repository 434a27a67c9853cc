#include <chrono>
#include <string>

#include "absl/strings/str_cat.h"
#include "errand/v1/tasks.grpc.pb.h"
#include "tests/bench/arrivals.h"
#include "tests/bench/failure.h"
#include "tests/bench/scenarios.h"
#include "tests/bench/slow_smtp_server.h"

namespace errand::bench {
namespace {

constexpr int kCallsPerSecond = 400;
constexpr std::chrono::seconds kSmtpDelay(2);

using CreateTaskCaller = UnaryCaller<v1::Tasks::Stub, v1::CreateTaskRequest, v1::CreateTaskResponse>;

v1::CreateTaskRequest MakeMail() {
  v1::CreateTaskRequest request;
  v1::EmailTask& mail = *request.mutable_task()->mutable_email();
  mail.set_from("Errand <errand@sender.example>");
  mail.add_to("reader@recipient.example");
  mail.set_subject("A measured mail");
  mail.set_text(std::string(200, 'x'));
  return request;
}

Measurement Submit(const Options& options, const std::vector<std::string>& flags) {
  const ServerProcess server(ErranddCommand(options, flags));
  Arrivals arrivals;
  arrivals.per_second = kCallsPerSecond;
  // The first mails take every connection to the mail server.
  arrivals.warm_up = absl::Seconds(1);
  arrivals.duration = 2 * options.duration;
  const v1::CreateTaskRequest mail = MakeMail();
  return MeasureArrivals(server, arrivals, [&mail](const auto& channel) {
    return std::make_unique<CreateTaskCaller>(v1::Tasks::NewStub(channel), &v1::Tasks::Stub::AsyncCreateTask,
                                              mail);
  });
}

}  // namespace

Table MeasureSubmission(const Options& options) {
  Rounds idle;
  Rounds slow;
  double sessions = 0;
  for (int round = 0; round < options.rounds; ++round) {
    idle.push_back(Submit(options, {}));
    const SlowSmtpServer smtp(kSmtpDelay);
    slow.push_back(Submit(options, {"--smtp_tls=none", "--smtp_server=" + smtp.address()}));
    if (smtp.accepted() == 0) Fail("no mail was on its way to the slow mail server");
    sessions += static_cast<double>(smtp.accepted()) / options.rounds;
  }
  Table table;
  table.name = "submission";
  table.title = absl::StrCat("CreateTask of an e-mail while every mail goes to a server that takes ",
                             kSmtpDelay.count(), " s for each reply, ", kCallsPerSecond, " calls/s");
  table.columns = {{"deliveries", "deliveries"},
                   {"p99_ratio", "p99 ratio", 2},
                   {"p50_ratio", "p50 ratio", 2},
                   {"cpu_ratio", "CPU ratio", 2},
                   {"p50_us", "p50 us"},
                   {"p99_us", "p99 us"},
                   {"server_cpu_us", "server CPU us/call", 1}};
  table.notes = {"none: a server without --smtp_server, on which e-mail waits; the same rate and requests",
                 absl::StrCat("slow: ", static_cast<int>(sessions), " SMTP sessions a round"),
                 "goal: p99 ratio at most 1.5"};
  const auto add_row = [&](const std::string& name, const Rounds& rounds) {
    table.rows.push_back({name, MedianRatio(rounds, idle, &Measurement::p99_us),
                          MedianRatio(rounds, idle, &Measurement::p50_us),
                          MedianRatio(rounds, idle, &Measurement::server_cpu_us),
                          Median(rounds, &Measurement::p50_us), Median(rounds, &Measurement::p99_us),
                          Median(rounds, &Measurement::server_cpu_us)});
  };
  add_row("none", idle);
  add_row("slow", slow);
  return table;
}

}  // namespace errand::bench
