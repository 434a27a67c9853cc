#include "tests/store/sample_history.h"

#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"

namespace errand::store {
namespace {

// Rounds of AddWhatGoesAgain, of about a segment each.
constexpr int kRounds = 13;

template <class T>
bool AllOk(const std::vector<T>& answers) {
  return absl::c_all_of(answers, [](const T& answer) { return answer.ok(); });
}

std::vector<ChangeRequest> ChangesOf(const std::vector<std::string>& ids) {
  std::vector<ChangeRequest> requests;
  for (const std::string& id : ids) requests.push_back({task::TaskName("queues/default", id), ""});
  return requests;
}

}  // namespace

SampleHistory::SampleHistory(StoreFixture* fixture) : fixture_(*fixture) {
  AddScripts();
  AddTasks();
  AddAttempts();
  AddWhatGoesAgain(kRounds);
  AddWhatRuns();
}

void SampleHistory::AddScripts() {
  Add([this] { return fixture_.PutScript("scripts/s", "return 1").ok(); });
  AddSubmit([] {
    std::vector<Wanted> wanted;
    wanted.push_back(StoreFixture::Scripted("scripted", "scripts/s"));
    return wanted;
  });
  Add([this] { return fixture_.PutScript("scripts/s", "return 2", "put-request").ok(); });
  Add([this] { return fixture_.PutScript("scripts/gone", "return 3").ok(); });
  Add([this] { return fixture_.DeleteScript("scripts/gone").ok(); });
}

void SampleHistory::AddTasks() {
  Add([this] { return fixture_.SetState("queues/paused", v1::QUEUE_STATE_PAUSED).ok(); });
  Add([this] {
    v1::Queue settings;
    settings.set_name("queues/limited");
    settings.set_max_running(3);
    settings.mutable_retention()->set_max_count(1000);
    return fixture_.Update(std::move(settings)).ok();
  });
  AddSubmit([this] {
    std::vector<Wanted> wanted;
    wanted.push_back(StoreFixture::Request("requested", "request"));
    wanted.push_back(StoreFixture::Lua("failing"));
    wanted.push_back(StoreFixture::Lua("unwanted"));
    wanted.push_back(StoreFixture::LuaWith("failed", [](v1::Task& task) { task.set_priority(9); }));
    wanted.push_back(StoreFixture::Lua("waiting", "queues/paused"));
    wanted.push_back(StoreFixture::LuaWith(
        "expiring",
        [this](v1::Task& task) {
          *task.mutable_expire_time() = task::ToProto(fixture_.now() + absl::Seconds(30));
        },
        "queues/paused"));
    return wanted;
  });
  AddSubmit([] {
    std::vector<Wanted> wanted;
    for (const char* id : {"keyed-1", "keyed-2", "keyed-3"}) {
      wanted.push_back(StoreFixture::Keyed(id, "key"));
      wanted.back().task->set_priority(3);
    }
    return wanted;
  });
  AddSubmit([this] {
    std::vector<Wanted> wanted;
    wanted.push_back(StoreFixture::LuaWith("delayed", [this](v1::Task& task) {
      *task.mutable_schedule_time() = task::ToProto(fixture_.now() + absl::Hours(5));
      (*task.mutable_labels())["label"] = "value";
      task.mutable_lua()->set_data(std::string("\0\xff", 2));
      task.mutable_retry_policy()->set_max_attempts(7);
    }));
    wanted.push_back(StoreFixture::Lua("mail", "queues/limited"));
    v1::EmailTask& email = *wanted.back().task->mutable_email();
    email.set_from("from@example.org");
    email.add_to("to@example.org");
    email.set_subject("a subject");
    email.set_text("a text");
    return wanted;
  });
}

void SampleHistory::AddAttempts() {
  AddClaim(5);  // failed, keyed-1, scripted, requested, failing: by priority.
  AddUnsafe([this] {
    fixture_.Log(leases_["scripted"], "a line");
    return true;
  });
  AddUnsafe([this] {
    v1::TaskEvent event;
    event.mutable_output()->set_data("output");
    fixture_.Report(leases_["scripted"], std::move(event));
    return true;
  });
  AddUnsafe([this] {
    fixture_.Progress(leases_["scripted"], 0.5);
    return true;
  });
  Add([this] { return fixture_.Keep(leases_["keyed-1"], "kept").ok(); });
  Add([this] {
    std::vector<FinishRequest> requests(1);
    requests[0].lease = leases_["scripted"];
    requests[0].result.set_content_type("text/plain");
    requests[0].result.set_data("a result");
    requests[0].usage.set_peak_memory_bytes(1 << 20);
    return AllOk(StoreFixture::Await<std::vector<absl::Status>>(
        [&](auto done) { fixture_.store().Finish(std::move(requests), std::move(done)); }));
  });
  AddFinish("keyed-1", Verdict::kSucceeded);
  AddFinish("requested", Verdict::kRetry);
  AddFinish("failing", Verdict::kFailed);
  AddFinish("failed", Verdict::kFailed);
  AddChange(/*deletes=*/false, {"unwanted"});
  AddClaim(1);  // keyed-2
  AddFinish("keyed-2", Verdict::kReleased);
  AddClaim(1);  // The same again.
  Add([this] { return fixture_.Cancel("keyed-2").ok(); });
  AddFinish("keyed-2", Verdict::kCancelled);
  Add([this] { return fixture_.Retry("failing").ok(); });
  AddUnsafe([this] {
    fixture_.Advance(absl::Seconds(15));  // What is to be tried again is due.
    return true;
  });
}

void SampleHistory::AddWhatGoesAgain(int rounds) {
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::string> ids;
    for (int i = 0; i < 2; ++i) ids.push_back(absl::StrCat("gone-", round, "-", i));
    AddSubmit([ids] {
      std::vector<Wanted> wanted;
      for (const std::string& id : ids) {
        wanted.push_back(StoreFixture::LuaWith(
            id, [](v1::Task& task) { task.mutable_lua()->set_source(std::string(1000, ' ')); }));
      }
      return wanted;
    });
    AddChange(/*deletes=*/false, ids);
    AddChange(/*deletes=*/true, ids);
    AddUnsafe([this] {
      fixture_.Advance(absl::Seconds(1));
      return true;
    });
  }
}

void SampleHistory::AddWhatRuns() {
  AddUnsafe([this] {
    fixture_.Advance(absl::Seconds(20));  // What expires has.
    return true;
  });
  AddClaim(2);  // keyed-3, and one that is tried again.
  AddUnsafe([this] {
    fixture_.Log(leases_["keyed-3"], "the last line");
    return true;
  });
  Add([this] { return fixture_.Cancel("keyed-3").ok(); });  // It does not stop.
  AddSubmit([] {
    std::vector<Wanted> wanted;
    wanted.push_back(StoreFixture::Request("last", "last-request"));
    return wanted;
  });
}

void SampleHistory::AddSubmit(std::function<std::vector<Wanted>()> wanted) {
  Add([this, wanted = std::move(wanted)] { return AllOk(fixture_.Submit(wanted(), SubmitMode::kEach)); });
}

void SampleHistory::AddClaim(int max) {
  AddUnsafe([this, max] {
    const auto claimed = fixture_.Claim(max, absl::Minutes(2));
    const std::vector<std::string> ids = Ids(claimed);
    for (size_t i = 0; i < claimed.size(); ++i) leases_[ids[i]] = claimed[i].lease;
    return static_cast<int>(claimed.size()) == max;
  });
}

void SampleHistory::AddFinish(const std::string& id, Verdict verdict) {
  Add([this, id, verdict] { return fixture_.Finish(leases_[id], verdict, absl::Seconds(10)).ok(); });
}

void SampleHistory::AddChange(bool deletes, std::vector<std::string> ids) {
  Add([this, deletes, requests = ChangesOf(ids)] {
    TaskStore& store = fixture_.store();
    if (deletes) {
      return AllOk(StoreFixture::Await<std::vector<absl::Status>>(
          [&](auto done) { store.Delete(requests, std::move(done)); }));
    }
    return AllOk(StoreFixture::Await<std::vector<absl::StatusOr<v1::Task>>>(
        [&](auto done) { store.Cancel(requests, std::move(done)); }));
  });
}

std::string SampleHistory::Requests(StoreFixture& fixture) {
  std::string requests;
  for (const char* id : {"request", "last-request"}) {
    Wanted wanted = StoreFixture::Request("new", id);
    wanted.validate_only = true;
    const auto task = fixture.Submit(std::move(wanted));
    absl::StrAppend(&requests, "== request id '", id,
                    "': ", task.ok() ? task->name() : task.status().ToString(), "\n");
  }
  const auto script = fixture.PutScript("scripts/s", "return 4", "put-request", /*validate_only=*/true);
  absl::StrAppend(&requests, "== request id 'put-request': version ",
                  script.ok() ? absl::StrCat(script->version()) : script.status().ToString(), "\n");
  return requests;
}

StoreFactory AfterSampleHistory(StoreFactory make) {
  return [make = std::move(make)](StoreOptions options) {
    options.clock = [clock = options.clock] {
      const clock::Moment now = clock();
      return clock::Moment{now.instant + SampleHistory::kLength, now.time + SampleHistory::kLength};
    };
    return make(std::move(options));
  };
}

}  // namespace errand::store
