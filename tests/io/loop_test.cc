#include "server/io/loop.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "server/io/timer.h"

namespace errand::io {
namespace {

// An eventfd that the loop watches, and what to do when it is ready.
class Event : public FdHandler {
 public:
  explicit Event(std::function<void(uint32_t)> on_ready)
      : fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), on_ready_(std::move(on_ready)) {}
  ~Event() override { close(fd); }

  void OnReady(uint32_t events) override { on_ready_(events); }
  void Raise() {
    const uint64_t one = 1;
    ASSERT_EQ(write(fd, &one, sizeof one), static_cast<ssize_t>(sizeof one));
  }
  void Clear() {
    uint64_t count;
    ASSERT_EQ(read(fd, &count, sizeof count), static_cast<ssize_t>(sizeof count));
  }

  const int fd;

 private:
  const std::function<void(uint32_t)> on_ready_;
};

// Runs `work` on the loop and waits for it.
void RunOn(Loop& loop, std::function<void()> work) {
  absl::Notification done;
  loop.Post([&] {
    work();
    done.Notify();
  });
  done.WaitForNotification();
}

TEST(LoopTest, RunsClosuresInTheOrderOfTheirPosts) {
  Loop loop;
  std::vector<int> order;
  for (int i = 0; i < 1000; ++i) loop.Post([&order, i] { order.push_back(i); });
  RunOn(loop, [] {});
  ASSERT_EQ(order.size(), 1000u);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(order[i], i);
}

TEST(LoopTest, RunsWhatManyThreadsPost) {
  Loop loop;
  int count = 0;  // The loop's thread only.
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) loop.Post([&count] { ++count; });
    });
  }
  for (std::thread& thread : threads) thread.join();
  RunOn(loop, [] {});
  EXPECT_EQ(count, 20000);
}

TEST(LoopTest, ClosureMayPostAnother) {
  Loop loop;
  absl::Notification done;
  loop.Post([&] { loop.Post([&] { loop.Post([&] { done.Notify(); }); }); });
  done.WaitForNotification();
}

TEST(LoopTest, KnowsItsOwnThread) {
  Loop loop;
  EXPECT_FALSE(loop.IsCurrent());
  bool inside = false;
  RunOn(loop, [&] { inside = loop.IsCurrent(); });
  EXPECT_TRUE(inside);
}

TEST(LoopTest, StopRunsWhatWasPostedBefore) {
  Loop loop;
  int count = 0;
  for (int i = 0; i < 100; ++i) loop.Post([&count] { ++count; });
  loop.Stop();
  EXPECT_EQ(count, 100);
  loop.Stop();  // May be repeated.
}

TEST(LoopTest, DestructorRunsWhatWasPostedAfterStop) {
  int count = 0;
  {
    Loop loop;
    loop.Stop();
    loop.Post([&count] { ++count; });
    EXPECT_EQ(count, 0);
  }
  EXPECT_EQ(count, 1);
}

TEST(LoopTest, CallsTheHandlerOfAReadyDescriptor) {
  Loop loop;
  absl::Notification ready;
  Event event([&](uint32_t events) {
    EXPECT_EQ(events, static_cast<uint32_t>(EPOLLIN));
    EXPECT_TRUE(loop.IsCurrent());
    event.Clear();
    ready.Notify();
  });
  RunOn(loop, [&] { ASSERT_TRUE(loop.Add(event.fd, EPOLLIN, &event).ok()); });
  event.Raise();
  ready.WaitForNotification();
  RunOn(loop, [&] { loop.Remove(event.fd, &event); });
}

TEST(LoopTest, WaitsForWhatModifyAskedFor) {
  Loop loop;
  absl::Notification writable;
  Event event([&](uint32_t events) {
    EXPECT_EQ(events, static_cast<uint32_t>(EPOLLOUT));
    loop.Remove(event.fd, &event);
    writable.Notify();
  });
  RunOn(loop, [&] {
    ASSERT_TRUE(loop.Add(event.fd, EPOLLIN, &event).ok());
    ASSERT_TRUE(loop.Modify(event.fd, EPOLLOUT, &event).ok());
  });
  writable.WaitForNotification();
}

TEST(LoopTest, SaysWhyADescriptorCannotBeWatched) {
  Loop loop;
  Event event([](uint32_t) {});
  RunOn(loop, [&] {
    EXPECT_FALSE(loop.Add(-1, EPOLLIN, &event).ok());
    EXPECT_FALSE(loop.Modify(event.fd, EPOLLIN, &event).ok());
    ASSERT_TRUE(loop.Add(event.fd, EPOLLIN, &event).ok());
    EXPECT_FALSE(loop.Add(event.fd, EPOLLIN, &event).ok());
    loop.Remove(event.fd, &event);
  });
}

TEST(LoopTest, RemovedHandlerIsNotCalledForAnEventThatIsPending) {
  Loop loop;
  int calls = 0;
  std::unique_ptr<Event> first, second;
  // Both are ready in one round; whichever comes first removes and destroys the other.
  first = std::make_unique<Event>([&](uint32_t) {
    ++calls;
    first->Clear();
    loop.Remove(second->fd, second.get());
    second.reset();
  });
  second = std::make_unique<Event>([&](uint32_t) {
    ++calls;
    second->Clear();
    loop.Remove(first->fd, first.get());
    first.reset();
  });
  RunOn(loop, [&] {
    first->Raise();
    second->Raise();
    ASSERT_TRUE(loop.Add(first->fd, EPOLLIN, first.get()).ok());
    ASSERT_TRUE(loop.Add(second->fd, EPOLLIN, second.get()).ok());
  });
  RunOn(loop, [] {});  // At least one round has passed.
  RunOn(loop, [&] {
    EXPECT_EQ(calls, 1);
    Event* left = first != nullptr ? first.get() : second.get();
    loop.Remove(left->fd, left);
  });
}

TEST(LoopTest, HandlerMayDestroyItselfOnceRemoved) {
  Loop loop;
  absl::Notification gone;
  Event* event = nullptr;
  event = new Event([&](uint32_t) {
    loop.Remove(event->fd, event);
    gone.Notify();
    delete event;
  });
  event->Raise();
  RunOn(loop, [&] { ASSERT_TRUE(loop.Add(event->fd, EPOLLIN, event).ok()); });
  gone.WaitForNotification();
}

TEST(TimerTest, FiresOnceForEachSet) {
  Loop loop;
  absl::Notification twice;
  int calls = 0;
  std::optional<Timer> timer;
  RunOn(loop, [&] {
    timer.emplace(&loop, [&] {
      EXPECT_FALSE(timer->is_set());
      if (++calls == 2) {
        twice.Notify();
      } else {
        timer->Set(absl::ZeroDuration());
      }
    });
    timer->Set(absl::Milliseconds(1));
    EXPECT_TRUE(timer->is_set());
  });
  twice.WaitForNotification();
  RunOn(loop, [&] {
    EXPECT_EQ(calls, 2);
    timer.reset();
  });
}

TEST(TimerTest, TimersFireInTheOrderOfTheirDeadlines) {
  Loop loop;
  std::mt19937 random(7);
  std::vector<int> fired;
  std::vector<std::unique_ptr<Timer>> timers;
  absl::Notification last;
  RunOn(loop, [&] {
    std::vector<int> order(500);
    for (int i = 0; i < 500; ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random);
    for (int i : order) {
      timers.push_back(std::make_unique<Timer>(&loop, [&, i] {
        fired.push_back(i);
        if (i == 499) last.Notify();
      }));
      // Far enough apart that setting them one after another does not change their order, and all in the
      // past, so that nobody waits.
      timers.back()->Set(absl::Seconds(i - 500));
    }
  });
  last.WaitForNotification();
  RunOn(loop, [&] {
    ASSERT_EQ(fired.size(), 500u);
    for (int i = 0; i < 500; ++i) EXPECT_EQ(fired[i], i);
    timers.clear();
  });
}

// Sets, moves and cancels at random; what must fire fires, in order, and nothing else.
TEST(TimerTest, CancelledAndMovedTimersKeepTheHeapInOrder) {
  Loop loop;
  std::mt19937 random(11);
  constexpr int kTimers = 200;
  std::vector<int> fired;
  std::vector<int> place(kTimers, -1);  // The deadline of each timer; -1 is not set.
  std::vector<std::unique_ptr<Timer>> timers;
  std::optional<Timer> end;
  absl::Notification done;
  RunOn(loop, [&] {
    for (int i = 0; i < kTimers; ++i) {
      timers.push_back(std::make_unique<Timer>(&loop, [&fired, i] { fired.push_back(i); }));
    }
    for (int step = 0; step < 5000; ++step) {
      const int i = static_cast<int>(random() % kTimers);
      if (random() % 3 == 0) {
        timers[i]->Cancel();
        place[i] = -1;
      } else {
        place[i] = static_cast<int>(random() % 100000);
        timers[i]->Set(absl::Seconds(place[i] - 200000));
      }
    }
    end.emplace(&loop, [&] { done.Notify(); });
    end->Set(absl::Seconds(-1));
  });
  done.WaitForNotification();
  RunOn(loop, [&] {
    int set = 0;
    for (int i = 0; i < kTimers; ++i) set += place[i] >= 0 ? 1 : 0;
    ASSERT_EQ(static_cast<int>(fired.size()), set);
    for (size_t i = 1; i < fired.size(); ++i) EXPECT_LE(place[fired[i - 1]], place[fired[i]]);
    timers.clear();
    end.reset();
  });
}

TEST(TimerTest, MayDestroyItselfWhenItFires) {
  Loop loop;
  absl::Notification gone;
  std::unique_ptr<Timer> timer;
  RunOn(loop, [&] {
    auto held = std::make_shared<int>(1);
    timer = std::make_unique<Timer>(&loop, [&, held] {
      timer.reset();
      EXPECT_EQ(*held, 1);  // What the function captured lives on.
      gone.Notify();
    });
    timer->Set(absl::ZeroDuration());
  });
  gone.WaitForNotification();
}

TEST(TimerTest, MayCancelAnotherThatIsDueToo) {
  Loop loop;
  std::unique_ptr<Timer> first, second;
  absl::Notification fired;
  bool second_fired = false;
  RunOn(loop, [&] {
    first = std::make_unique<Timer>(&loop, [&] {
      second.reset();
      fired.Notify();
    });
    second = std::make_unique<Timer>(&loop, [&] { second_fired = true; });
    first->Set(absl::Seconds(-2));
    second->Set(absl::Seconds(-1));
  });
  fired.WaitForNotification();
  RunOn(loop, [&] { first.reset(); });
  EXPECT_FALSE(second_fired);
}

TEST(TimerTest, InfiniteAndVeryLongDelaysDoNotKeepTheLoopFromWorking) {
  Loop loop;
  std::optional<Timer> never, late;
  int calls = 0;
  RunOn(loop, [&] {
    never.emplace(&loop, [&] { ++calls; });
    late.emplace(&loop, [&] { ++calls; });
    never->Set(absl::InfiniteDuration());
    EXPECT_FALSE(never->is_set());
    late->Set(absl::Hours(24 * 365) * 1'000'000'000);  // Milliseconds to it do not fit into 64 bits.
    EXPECT_TRUE(late->is_set());
  });
  RunOn(loop, [] {});
  RunOn(loop, [&] {
    never.reset();
    late.reset();
  });
  EXPECT_EQ(calls, 0);
}

TEST(LoopTest, StressOfPostsTimersAndDescriptors) {
  Loop loop;
  std::atomic<int> left{2000};
  absl::Notification done;
  std::vector<std::unique_ptr<Event>> events(1000);
  std::vector<std::unique_ptr<Timer>> timers(1000);
  for (int i = 0; i < 1000; ++i) {
    loop.Post([&, i] {
      const auto one_less = [&] {
        if (--left == 0) done.Notify();
      };
      events[i] = std::make_unique<Event>([&, i, one_less](uint32_t) {
        loop.Remove(events[i]->fd, events[i].get());
        one_less();
      });
      timers[i] = std::make_unique<Timer>(&loop, one_less);
      timers[i]->Set(absl::Microseconds(i));
      events[i]->Raise();
      ASSERT_TRUE(loop.Add(events[i]->fd, EPOLLIN, events[i].get()).ok());
    });
  }
  done.WaitForNotification();
  RunOn(loop, [&] { timers.clear(); });
}

}  // namespace
}  // namespace errand::io
