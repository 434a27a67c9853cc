#include "server/sandbox/wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace errand::sandbox {
namespace {

using Result = FrameReader::Result;

template <class F>
std::string Bytes(const F& frame) {
  std::string bytes;
  Append(frame, bytes);
  return bytes;
}

Result ReadOne(std::string_view bytes, size_t max = 1 << 20) {
  FrameReader reader(max);
  reader.Add(bytes);
  Frame frame;
  return reader.Next(frame);
}

constexpr uint64_t kAttempt = 7;

Run ARun() {
  Run run;
  run.attempt = kAttempt;
  run.memory_bytes = 1 << 20;
  run.output_bytes = 77;
  run.cpu_nanos = 5;
  run.seed = 6;
  run.deadline = 1.5;
  run.number = 3;
  run.script = 4;
  run.name = "name";
  run.chunk_name = "chunk";
  run.payload = std::string_view("a\0b", 3);
  run.source = "return 1";
  return run;
}

std::vector<std::string> OneOfEach() {
  return {Bytes(ARun()),
          Bytes(Check{"return 1"}),
          Bytes(Resume{kAttempt, 4, true, false, "answer", "difference"}),
          Bytes(Script{4, "chunk", "return 1"}),
          Bytes(Forget{4}),
          Bytes(Answer{kAttempt, true, "answer"}),
          Bytes(Ready{}),
          Bytes(Output{kAttempt, "out"}),
          Bytes(Log{kAttempt, LogLevel::kError, "text"}),
          Bytes(Progress{kAttempt, 1, 2, "half"}),
          Bytes(Done{kAttempt, Ending::kOk, false, Content::kJson, 1, 2, 3, "{}"}),
          Bytes(Checked{false, 1, 2, "script:1: oops"}),
          Bytes(Parked{kAttempt, Why::kSleeps, 1, 2, "difference"}),
          Bytes(Returned{kAttempt}),
          Bytes(Call{kAttempt, true, Function::kSubmit, "arguments"}),
          Bytes(Waits{kAttempt, Why::kCalls, 7})};
}

TEST(Wire, BytesAreThoseOfTheSpecification) {
  EXPECT_EQ(Bytes(Log{kAttempt, LogLevel::kWarning, "hi"}),
            std::string("\x0c\0\0\0\x13\7\0\0\0\0\0\0\0\3hi", 16));
  EXPECT_EQ(Bytes(Ready{}), std::string("\5\0\0\0\x10\3\0\0\0", 9));
}

TEST(Wire, RunArrivesAsItWasSent) {
  FrameReader reader(1000);
  reader.Add(Bytes(ARun()));
  Frame frame;
  ASSERT_EQ(reader.Next(frame), Result::kFrame);
  const sandbox::Run& run = std::get<sandbox::Run>(frame);
  EXPECT_EQ(run.attempt, kAttempt);
  EXPECT_EQ(run.memory_bytes, uint64_t{1} << 20);
  EXPECT_EQ(run.output_bytes, 77u);
  EXPECT_EQ(run.cpu_nanos, 5u);
  EXPECT_EQ(run.seed, 6u);
  EXPECT_EQ(run.deadline, 1.5);
  EXPECT_EQ(run.number, 3);
  EXPECT_EQ(run.script, 4u);
  EXPECT_EQ(run.name, "name");
  EXPECT_EQ(run.chunk_name, "chunk");
  EXPECT_EQ(run.payload, std::string_view("a\0b", 3));
  EXPECT_EQ(run.source, "return 1");
}

TEST(Wire, ResumeArrivesAsItWasSent) {
  FrameReader reader(1000);
  reader.Add(OneOfEach()[2]);
  Frame frame;
  ASSERT_EQ(reader.Next(frame), Result::kFrame);
  const Resume& resume = std::get<Resume>(frame);
  EXPECT_EQ(resume.attempt, kAttempt);
  EXPECT_EQ(resume.script, 4u);
  EXPECT_TRUE(resume.answered);
  EXPECT_FALSE(resume.ok);
  EXPECT_EQ(resume.answer, "answer");
  EXPECT_EQ(resume.difference, "difference");
}

TEST(Wire, ABatchIsTakenApartFrameByFrame) {
  std::string batch;
  StartBatch(batch);
  Append(Check{"one"}, batch);
  Append(Forget{2}, batch);
  FinishBatch(batch);
  ASSERT_EQ(BatchSize(batch.data()), batch.size() - kBatchHeaderBytes);
  std::string_view rest = std::string_view(batch).substr(kBatchHeaderBytes);
  Frame frame;
  ASSERT_TRUE(TakeFrame(rest, frame));
  EXPECT_EQ(std::get<Check>(frame).source, "one");
  ASSERT_TRUE(TakeFrame(rest, frame));
  EXPECT_EQ(std::get<Forget>(frame).script, 2u);
  EXPECT_TRUE(rest.empty());
  EXPECT_FALSE(TakeFrame(rest, frame));
}

TEST(Wire, ACutBatchGivesNoFrame) {
  const std::string bytes = Bytes(ARun());
  for (size_t size = 0; size < bytes.size(); ++size) {
    std::string_view rest = std::string_view(bytes).substr(0, size);
    Frame frame;
    EXPECT_FALSE(TakeFrame(rest, frame)) << size;
  }
}

TEST(Wire, DoneArrivesAsItWasSent) {
  FrameReader reader(1000);
  reader.Add(Bytes(Done{kAttempt, Ending::kError, true, Content::kNone, 11, 22, 33, "boom"}));
  Frame frame;
  ASSERT_EQ(reader.Next(frame), Result::kFrame);
  const Done& done = std::get<Done>(frame);
  EXPECT_EQ(done.ending, Ending::kError);
  EXPECT_TRUE(done.permanent);
  EXPECT_EQ(done.cpu_nanos, 11u);
  EXPECT_EQ(done.peak_memory_bytes, 22u);
  EXPECT_EQ(done.output_bytes, 33u);
  EXPECT_EQ(done.data, "boom");
}

TEST(Wire, FramesArriveInOrderHoweverTheyAreCut) {
  std::string bytes;
  for (const std::string& frame : OneOfEach()) bytes += frame;
  for (const size_t piece : {size_t{1}, size_t{3}, size_t{1000}}) {
    FrameReader reader(1 << 20);
    std::vector<size_t> kinds;
    for (size_t at = 0; at < bytes.size(); at += piece) {
      reader.Add(std::string_view(bytes).substr(at, piece));
      Frame frame;
      while (reader.Next(frame) == Result::kFrame) kinds.push_back(frame.index());
    }
    EXPECT_THAT(kinds, testing::ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16));
  }
}

TEST(Wire, OutputCanBeExtended) {
  std::string bytes = Bytes(Ready{});
  const size_t start = bytes.size();
  Append(Output{kAttempt, "one "}, bytes);
  Extend(start, "two", bytes);
  FrameReader reader(100);
  reader.Add(bytes);
  Frame frame;
  ASSERT_EQ(reader.Next(frame), Result::kFrame);
  ASSERT_EQ(reader.Next(frame), Result::kFrame);
  EXPECT_EQ(std::get<Output>(frame).data, "one two");
}

TEST(Wire, TruncatedFrameNeedsMore) {
  for (const std::string& bytes : OneOfEach()) {
    for (size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_EQ(ReadOne(std::string_view(bytes).substr(0, size)), Result::kNeedMore);
    }
  }
}

TEST(Wire, BodyThatEndsTooSoonIsInvalid) {
  // All but those that are anything or nothing up to their end.
  for (const std::string& bytes : {OneOfEach()[0], OneOfEach()[4], OneOfEach()[6], OneOfEach()[13]}) {
    for (size_t size = 5; size < bytes.size(); ++size) {
      std::string cut = bytes.substr(0, size);
      cut[0] = static_cast<char>(size - 4);
      EXPECT_EQ(ReadOne(cut), Result::kInvalid) << size;
    }
  }
}

TEST(Wire, OversizedFrameIsInvalidBeforeItsBodyComes) {
  EXPECT_EQ(ReadOne(std::string("\xFF\xFF\xFF\xFF", 4)), Result::kInvalid);
  EXPECT_EQ(ReadOne(Bytes(Output{kAttempt, "12345"}), 13), Result::kInvalid);
  EXPECT_EQ(ReadOne(Bytes(Output{kAttempt, "1234"}), 13), Result::kFrame);
}

TEST(Wire, EmptyFrameAndUnknownTypeAreInvalid) {
  EXPECT_EQ(ReadOne(std::string(4, '\0')), Result::kInvalid);
  EXPECT_EQ(ReadOne(std::string("\1\0\0\0\x63", 5)), Result::kInvalid);
}

TEST(Wire, BytesBehindTheLastFieldAreInvalid) {
  std::string bytes = Bytes(Ready{}) + "x";
  ++bytes[0];
  EXPECT_EQ(ReadOne(bytes), Result::kInvalid);
}

TEST(Wire, ValuesOutOfRangeAreInvalid) {
  EXPECT_EQ(ReadOne(Bytes(Log{kAttempt, static_cast<LogLevel>(0), ""})), Result::kInvalid);
  EXPECT_EQ(ReadOne(Bytes(Log{kAttempt, static_cast<LogLevel>(5), ""})), Result::kInvalid);
  EXPECT_EQ(ReadOne(Bytes(Log{kAttempt, LogLevel::kInfo, "\xFF"})), Result::kInvalid);
  EXPECT_EQ(ReadOne(Bytes(Log{kAttempt, LogLevel::kInfo, std::string(task::kMaxLogLineBytes + 1, 'x')})),
            Result::kInvalid);
  EXPECT_EQ(ReadOne(Bytes(Progress{kAttempt, std::numeric_limits<double>::quiet_NaN(), 0, ""})),
            Result::kInvalid);
  EXPECT_EQ(ReadOne(Bytes(Output{kAttempt, ""})), Result::kInvalid);
  EXPECT_EQ(ReadOne(Bytes(Done{kAttempt, static_cast<Ending>(9), false, Content::kNone, 0, 0, 0, ""})),
            Result::kInvalid);
  EXPECT_EQ(ReadOne(Bytes(Done{kAttempt, Ending::kError, false, Content::kJson, 0, 0, 0, "{}"})),
            Result::kInvalid);
  EXPECT_EQ(ReadOne(Bytes(Done{kAttempt, Ending::kOk, false, Content::kJson, 0, 0, 0, "\xFF"})),
            Result::kInvalid);
  EXPECT_EQ(ReadOne(Bytes(Parked{kAttempt, static_cast<Why>(0), 0, 0, ""})), Result::kInvalid);
  EXPECT_EQ(ReadOne(Bytes(Parked{kAttempt, Why::kSleeps, 0, 0, std::string(kMaxDifferenceBytes + 1, 'x')}),
                    2 << 20),
            Result::kInvalid);
  EXPECT_EQ(ReadOne(Bytes(Call{kAttempt, false, static_cast<Function>(0), ""})), Result::kInvalid);
  sandbox::Run greedy = ARun();
  greedy.memory_bytes = uint64_t{1} << 40;
  EXPECT_EQ(ReadOne(Bytes(greedy)), Result::kInvalid);
}

TEST(Wire, StaysInvalid) {
  FrameReader reader(100);
  reader.Add(std::string(4, '\0'));
  Frame frame;
  EXPECT_EQ(reader.Next(frame), Result::kInvalid);
  reader.Add(Bytes(Ready{}));
  EXPECT_EQ(reader.Next(frame), Result::kInvalid);
}

TEST(Wire, RandomBytesDoNoHarm) {
  std::mt19937 random(20240501);
  const std::vector<std::string> frames = OneOfEach();
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes;
    for (unsigned n = random() % 4; n > 0; --n) bytes += frames[random() % frames.size()];
    for (unsigned n = random() % 8; n > 0 && !bytes.empty(); --n) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    if (random() % 4 == 0) bytes.resize(random() % (bytes.size() + 9), static_cast<char>(random()));
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  }
}

}  // namespace
}  // namespace errand::sandbox
