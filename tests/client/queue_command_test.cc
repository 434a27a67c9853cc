#include "tests/client/command_test.h"

// `errand queue`.
namespace errand {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class QueueCommandTest : public CommandTest {
 protected:
  QueueCommandTest() {
    fake_.update_queue = [this](auto&, const v1::UpdateQueueRequest& request,
                                v1::UpdateQueueResponse& response) {
      sent_ = request;
      *response.mutable_queue() = request.queue();
      response.mutable_queue()->set_state(v1::QUEUE_STATE_RUNNING);
      return grpc::Status::OK;
    };
  }

  v1::UpdateQueueRequest sent_;
};

TEST_F(QueueCommandTest, SetChangesWhatIsGivenAndShowsTheQueue) {
  Run({"queue", "set", "mail", "--rate=90/m", "--burst=5", "--max-running=4", "--weight=2",
       "--max-attempts=3", "--min-backoff=2s", "--max-backoff=1m", "--retention-age=24h",
       "--retention-count=1000", "--max-tasks=500", "--max-bytes=64MiB", "--etag=e"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(out_,
            "name      queues/mail\n"
            "state     running\n"
            "rate      1.5/s, burst 5\n"
            "running   at most 4\n"
            "weight    2\n"
            "retry     at most 3 attempts, backoff from 2s, backoff to 1m\n"
            "retention 24h, 1000 ended tasks\n"
            "capacity  500 tasks, 67108864 bytes\n"
            "etag      e\n");
  EXPECT_THAT(sent_.update_mask().paths(),
              UnorderedElementsAre("rate_limit.tasks_per_second", "rate_limit.burst", "max_running", "weight",
                                   "default_retry_policy.max_attempts", "default_retry_policy.min_backoff",
                                   "default_retry_policy.max_backoff", "retention.max_age",
                                   "retention.max_count", "capacity.max_tasks", "capacity.max_bytes"));
}

TEST_F(QueueCommandTest, ZeroTakesASettingBack) {
  Run({"queue", "set", "queues/q", "--rate=0", "--min-backoff=0", "--retention-age=0s", "--max-bytes=0"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(sent_.queue().name(), "queues/q");
  EXPECT_THAT(sent_.update_mask().paths(),
              ElementsAre("rate_limit.tasks_per_second", "default_retry_policy.min_backoff",
                          "retention.max_age", "capacity.max_bytes"));
  EXPECT_EQ(sent_.queue().rate_limit().tasks_per_second(), 0);
  EXPECT_FALSE(sent_.queue().default_retry_policy().has_min_backoff());
  EXPECT_FALSE(sent_.queue().retention().has_max_age());
}

TEST_F(QueueCommandTest, RatesAreASecondsAMinutesOrAnHours) {
  for (const auto& [text, rate] : {std::pair("10/s", 10.0), {"10", 10.0}, {"90/m", 1.5}, {"1800/h", 0.5}}) {
    Run({"queue", "set", "q", "--rate", text});
    EXPECT_EQ(code_, 0) << err_;
    EXPECT_EQ(sent_.queue().rate_limit().tasks_per_second(), rate) << text;
  }
}

TEST_F(QueueCommandTest, ListPrintsQueuesInEveryFormat) {
  fake_.list_queues = [](auto&, const v1::ListQueuesRequest&, v1::ListQueuesResponse& response) {
    v1::Queue& queue = *response.add_queues();
    queue.set_name("queues/default");
    queue.set_state(v1::QUEUE_STATE_RUNNING);
    v1::Queue& mail = *response.add_queues();
    mail.set_name("queues/mail");
    mail.set_state(v1::QUEUE_STATE_PAUSED);
    mail.mutable_rate_limit()->set_tasks_per_second(10);
    return grpc::Status::OK;
  };
  Run({"queue", "list"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(out_,
            "NAME            STATE    RATE  RUNNING  WEIGHT  CAPACITY\n"
            "queues/default  running  -     -        -       -\n"
            "queues/mail     paused   10/s  -        -       -\n");
  Run({"queue", "list", "-o", "jsonl"});
  EXPECT_EQ(
      out_,
      "{\"name\":\"queues/default\",\"state\":\"QUEUE_STATE_RUNNING\"}\n"
      "{\"name\":\"queues/mail\",\"state\":\"QUEUE_STATE_PAUSED\",\"rateLimit\":{\"tasksPerSecond\":10}}\n");
  Run({"queue", "-o", "json", "list"});
  EXPECT_THAT(out_, HasSubstr("{\n \"queues\": [\n  {\n   \"name\": \"queues/default\","));
}

TEST_F(QueueCommandTest, PauseAndResumeShowTheQueue) {
  fake_.pause_queue = [](auto&, const v1::PauseQueueRequest& request, v1::PauseQueueResponse& response) {
    response.mutable_queue()->set_name(request.name());
    response.mutable_queue()->set_state(v1::QUEUE_STATE_PAUSED);
    return grpc::Status::OK;
  };
  fake_.resume_queue = [](auto&, const v1::ResumeQueueRequest& request, v1::ResumeQueueResponse& response) {
    response.mutable_queue()->set_name(request.name());
    response.mutable_queue()->set_state(v1::QUEUE_STATE_RUNNING);
    return grpc::Status::OK;
  };
  Run({"queue", "pause", "q"});
  EXPECT_EQ(out_, "name      queues/q\nstate     paused\n");
  Run({"queue", "resume", "q", "-o", "jsonl"});
  EXPECT_EQ(out_, "{\"name\":\"queues/q\",\"state\":\"QUEUE_STATE_RUNNING\"}\n");
}

TEST_F(QueueCommandTest, PurgePrintsHowManyTasksAreForgotten) {
  fake_.purge_queue = [](auto&, const v1::PurgeQueueRequest&, v1::PurgeQueueResponse&) {
    return grpc::Status::OK;
  };
  Run({"queue", "purge", "q"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(out_, "0\n");
  Run({"queue", "purge", "q", "-o", "jsonl"});
  EXPECT_EQ(out_, "{\"purgedCount\":\"0\"}\n");
}

TEST_F(QueueCommandTest, DeletePrintsHowManyTasksWentWithIt) {
  v1::DeleteQueueRequest sent;
  fake_.delete_queue = [&](auto&, const v1::DeleteQueueRequest& request, v1::DeleteQueueResponse& response) {
    sent = request;
    response.set_deleted_task_count(3);
    return grpc::Status::OK;
  };
  Run({"queue", "delete", "q", "--force", "--allow-missing", "--etag=q7"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(out_, "3\n");
  EXPECT_EQ(sent.name(), "queues/q");
  EXPECT_EQ(sent.etag(), "q7");
  EXPECT_TRUE(sent.force() && sent.allow_missing());
  Run({"queue", "delete", "q", "-o", "jsonl"});
  EXPECT_EQ(out_, "{\"deletedTaskCount\":\"3\"}\n");
  EXPECT_FALSE(sent.force() || sent.allow_missing());
}

TEST_F(QueueCommandTest, StatsPrintsCountsAndRates) {
  fake_.queue_stats = [](auto&, const v1::GetQueueStatsRequest&, v1::GetQueueStatsResponse& response) {
    v1::QueueStats& stats = *response.mutable_stats();
    (*stats.mutable_tasks_by_state())["TASK_STATE_RUNNING"] = 2;
    (*stats.mutable_tasks_by_state())["TASK_STATE_QUEUED"] = 10;
    stats.mutable_oldest_queued_age()->set_seconds(90);
    stats.set_created_per_second_1m(2.5);
    stats.set_held_by(v1::HELD_BY_RATE_LIMIT);
    return grpc::Status::OK;
  };
  Run({"queue", "stats", "q"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(out_,
            "queued    10\n"
            "running   2\n"
            "oldest    1m30s\n"
            "created   2.50/s over 1m, 0.00/s over 5m\n"
            "ended     0.00/s over 1m, 0.00/s over 5m\n"
            "held by   rate limit\n");
  Run({"queue", "stats", "q", "-o", "json"});
  EXPECT_THAT(out_, HasSubstr("\"endedPerSecond1m\": 0,"));
  EXPECT_THAT(out_, HasSubstr("\"heldBy\": \"HELD_BY_RATE_LIMIT\""));
}

TEST_F(QueueCommandTest, AQueueThatIsNotThereGivesExitCode3) {
  fake_.get_queue = [](auto&, const v1::GetQueueRequest&, v1::GetQueueResponse&) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "there is no queue 'queues/q'");
  };
  Run({"queue", "get", "q"});
  EXPECT_EQ(code_, 3);
  EXPECT_EQ(err_, "errand: there is no queue 'queues/q'\n");
}

}  // namespace
}  // namespace errand
