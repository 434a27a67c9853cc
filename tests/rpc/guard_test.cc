#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/rpc/guard/allowance.h"
#include "server/rpc/guard/frame_parser.h"
#include "server/rpc/guard/inflation.h"
#include "server/rpc/guard/meter.h"
#include "server/rpc/guard/totals.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace errand::rpc {
namespace {

using ::testing::HasSubstr;

std::string BigEndian(uint32_t number, int bytes) {
  std::string text;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) text += static_cast<char>(number >> shift);
  return text;
}

std::string Bytes(FrameType type, uint8_t flags, uint32_t stream, size_t length = 0) {
  return absl::StrCat(BigEndian(static_cast<uint32_t>(length), 3), std::string(1, static_cast<char>(type)),
                      std::string(1, static_cast<char>(flags)), BigEndian(stream, 4),
                      std::string(length, 'x'));
}

std::string Begin(uint32_t stream) { return Bytes(FrameType::kHeaders, Frame::kEndHeaders, stream, 50); }
std::string Request(uint32_t stream) {
  return Begin(stream) + Bytes(FrameType::kData, Frame::kEndStream, stream, 100);
}
std::string Answer(uint32_t stream) {
  return Bytes(FrameType::kHeaders, Frame::kEndHeaders, stream, 20) +
         Bytes(FrameType::kData, 0, stream, 100) +
         Bytes(FrameType::kHeaders, Frame::kEndHeaders | Frame::kEndStream, stream, 20);
}
std::string Reset(uint32_t stream) { return Bytes(FrameType::kRstStream, 0, stream, 4); }
std::string Ping() { return Bytes(FrameType::kPing, 0, 0, 8); }

// A connection that has said hello.
class MeterTest : public ::testing::Test {
 protected:
  MeterTest() { EXPECT_TRUE(Client(std::string(FrameParser::kPreface) + Bytes(FrameType::kSettings, 0, 0))); }

  bool Client(const std::string& bytes) {
    const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    return meter_->Received({&piece, 1}, bytes.size(), now_);
  }
  void Server(const std::string& bytes) {
    const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    meter_->Sent({&piece, 1}, bytes.size(), now_);
  }
  // How often the client may send `make(i)`, up to `most`.
  template <class Make>
  int HowOften(int most, Make make) {
    for (int i = 0; i < most; ++i) {
      if (!Client(make(i))) return i;
    }
    return most;
  }
  // Streams have odd numbers, each one higher than the one before.
  uint32_t NextStream() { return next_stream_ += 2; }

  double now_ = 1000;
  uint32_t next_stream_ = 1;
  std::string why_;
  std::shared_ptr<Totals> totals_ = std::make_shared<Totals>(GuardLimits{.streams_of_connection = 100,
                                                                         .streams = 1000,
                                                                         .unanswered_bytes = 1 << 20,
                                                                         .abandoned_bytes = 64 << 20});
  std::unique_ptr<Meter> meter_ =
      std::make_unique<Meter>(totals_, 1, now_, [this](absl::string_view why) { why_ = std::string(why); });
};

TEST_F(MeterTest, CallsThatAreAnsweredMayGoOnForEver) {
  for (int i = 0; i < 50'000; ++i) {
    const uint32_t stream = NextStream();
    ASSERT_TRUE(Client(Request(stream))) << why_;
    Server(Answer(stream));
    // As clients do that look how much the line takes.
    ASSERT_TRUE(Client(Ping() + Bytes(FrameType::kWindowUpdate, 0, 0, 4) +
                       Bytes(FrameType::kWindowUpdate, 0, stream, 4)))
        << why_;
  }
  EXPECT_EQ(meter_->Holds(now_).streams, 0u);
  EXPECT_EQ(totals_->unanswered_bytes(), 0);
}

TEST_F(MeterTest, StreamsThatAreResetBeforeTheyAreAnsweredAreBounded) {
  const int often = HowOften(10'000, [&](int) {
    const uint32_t stream = NextStream();
    return Request(stream) + Reset(stream);
  });
  EXPECT_GE(often, 100);
  EXPECT_LE(often, 500);
  EXPECT_THAT(why_, HasSubstr("resets streams"));
}

TEST_F(MeterTest, StreamsThatTheServerHasToResetAreTheSame) {
  const int often = HowOften(10'000, [&](int) {
    if (next_stream_ > 1) Server(Reset(next_stream_));
    return Request(NextStream());
  });
  EXPECT_LE(often, 500);
}

TEST_F(MeterTest, WatchersThatHaveSeenSomethingMayStop) {
  for (int round = 0; round < 100; ++round, now_ += 1) {
    std::vector<uint32_t> streams;
    for (int i = 0; i < 100; ++i) {
      streams.push_back(NextStream());
      ASSERT_TRUE(Client(Request(streams.back())));
      Server(Bytes(FrameType::kHeaders, Frame::kEndHeaders, streams.back(), 20) +
             Bytes(FrameType::kData, 0, streams.back(), 100));
    }
    for (uint32_t stream : streams) ASSERT_TRUE(Client(Reset(stream))) << why_;
  }
}

TEST_F(MeterTest, WhoHasBeenAnsweredMayGiveUpOnAsMuch) {
  for (int i = 0; i < 1000; ++i) {
    const uint32_t stream = NextStream();
    ASSERT_TRUE(Client(Request(stream)));
    Server(Answer(stream));
  }
  const int often = HowOften(2000, [&](int) {
    const uint32_t stream = NextStream();
    return Request(stream) + Reset(stream);
  });
  EXPECT_GE(often, 900);
  EXPECT_LT(often, 2000);
}

TEST_F(MeterTest, WhenAllTogetherAbandonTooMuchEachMayLess) {
  EXPECT_TRUE(totals_->TakeAbandoned(now_, 64 << 20));
  const int often = HowOften(1000, [&](int) {
    const uint32_t stream = NextStream();
    return Request(stream) + Reset(stream);
  });
  EXPECT_GE(often, 1);
  EXPECT_LE(often, 20);
}

TEST_F(MeterTest, AHeaderBlockMayBeAsLongAsMetadataAndNoLongerThanTwice) {
  EXPECT_TRUE(Client(Bytes(FrameType::kHeaders, Frame::kEndHeaders, NextStream(), 9 << 10))) << why_;
  EXPECT_FALSE(Client(Bytes(FrameType::kHeaders, Frame::kEndHeaders, NextStream(), 16 << 10)));
  EXPECT_THAT(why_, HasSubstr("headers"));
}

TEST_F(MeterTest, AHeaderBlockThatDoesNotEndIsCutEvenIfNothingIsInIt) {
  EXPECT_TRUE(Client(Bytes(FrameType::kHeaders, 0, NextStream(), 10)));
  EXPECT_LE(HowOften(1000, [&](int) { return Bytes(FrameType::kContinuation, 0, next_stream_); }), 64);
  EXPECT_THAT(why_, HasSubstr("headers"));
}

TEST_F(MeterTest, NothingComesInTheMiddleOfAHeaderBlock) {
  EXPECT_TRUE(Client(Bytes(FrameType::kHeaders, 0, NextStream(), 10)));
  EXPECT_FALSE(Client(Ping()));
}

TEST_F(MeterTest, OpenStreamsAreBoundedAlsoForWhoDoesNotKnow) {
  const int often = HowOften(1000, [&](int) { return Begin(NextStream()); });
  EXPECT_GE(often, 100) << "the limit";
  EXPECT_LE(often, 125);
  EXPECT_THAT(why_, HasSubstr("streams open"));
}

TEST_F(MeterTest, FramesThatAskForNothingAreBounded) {
  const std::vector<std::string> floods = {Ping(),
                                           Bytes(FrameType::kSettings, 0, 0),
                                           Bytes(FrameType::kPriority, 0, 1, 5),
                                           Bytes(FrameType::kWindowUpdate, 0, 0, 4),
                                           Bytes(FrameType::kGoAway, 0, 0, 8),
                                           Bytes(static_cast<FrameType>(99), 0, 0, 3),
                                           Reset(1),
                                           Bytes(FrameType::kData, 0, 1, 10),
                                           Bytes(FrameType::kHeaders, Frame::kEndHeaders, 1, 10)};
  for (const std::string& flood : floods) {
    meter_ =
        std::make_unique<Meter>(totals_, 1, now_, [this](absl::string_view why) { why_ = std::string(why); });
    EXPECT_TRUE(Client(std::string(FrameParser::kPreface) + Request(1)));
    Server(Answer(1));
    const int often = HowOften(10'000, [&](int) { return flood; });
    EXPECT_GE(often, 90) << static_cast<int>(flood[3]);
    EXPECT_LE(often, 2100) << static_cast<int>(flood[3]);
  }
}

TEST_F(MeterTest, KeepalivePingsMayGoOnForEver) {
  for (int i = 0; i < 10'000; ++i, now_ += 5) ASSERT_TRUE(Client(Ping()));
}

TEST_F(MeterTest, MessagesMayComeInManyPiecesAndNotInCrumbs) {
  EXPECT_TRUE(Client(Begin(NextStream())));
  EXPECT_EQ(HowOften(20'000, [&](int) { return Bytes(FrameType::kData, 0, next_stream_, 30); }), 20'000);
  EXPECT_LE(HowOften(20'000, [&](int) { return Bytes(FrameType::kData, 0, next_stream_, 1); }), 5'000);
  EXPECT_THAT(why_, HasSubstr("pieces"));
}

TEST_F(MeterTest, MessagesAreHeldUntilTheyAreAnswered) {
  const uint32_t first = NextStream();
  EXPECT_TRUE(Client(Begin(first) + Bytes(FrameType::kData, 0, first, 5000)));
  now_ += 10;
  const uint32_t second = NextStream();
  EXPECT_TRUE(Client(Begin(second) + Bytes(FrameType::kData, 0, second, 700)));
  EXPECT_EQ(meter_->Holds(now_).unanswered_bytes, 5700);
  EXPECT_EQ(meter_->Holds(now_ + 1).byte_seconds, 5000 * 11 + 700);
  Server(Answer(first));
  EXPECT_EQ(totals_->unanswered_bytes(), 700);
  EXPECT_TRUE(Client(Reset(second)));
  EXPECT_EQ(totals_->unanswered_bytes(), 0);
}

TEST_F(MeterTest, WhatIsTooMuchTogetherIsToldOnceUntilRelieved) {
  int told = 0;
  totals_->SetOnExcess([&] { ++told; });
  EXPECT_TRUE(Client(Begin(NextStream())));
  for (int i = 0; i < 200; ++i) EXPECT_TRUE(Client(Bytes(FrameType::kData, 0, next_stream_, 10'000)));
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(totals_->too_much_unanswered());
  totals_->Relieved();
  EXPECT_TRUE(Client(Bytes(FrameType::kData, 0, next_stream_, 10'000)));
  EXPECT_EQ(told, 2);
}

TEST_F(MeterTest, AConnectionThatHasEndedHoldsNothingAndReadsNothing) {
  EXPECT_TRUE(Client(Begin(NextStream()) + Bytes(FrameType::kData, 0, next_stream_, 5000)));
  meter_->Close();
  EXPECT_EQ(totals_->streams(), 0);
  EXPECT_EQ(totals_->unanswered_bytes(), 0);
  EXPECT_FALSE(Client(Ping()));
  EXPECT_EQ(why_, "") << "that it has ended is no fault of its client";
}

TEST_F(MeterTest, OneThatIsSuspectMayTakeLess) {
  meter_ =
      std::make_unique<Meter>(totals_, 0.1, now_, [this](absl::string_view why) { why_ = std::string(why); });
  EXPECT_TRUE(Client(std::string(FrameParser::kPreface)));
  EXPECT_LE(HowOften(1000, [&](int) { return Begin(NextStream()); }), 13);
}

TEST_F(MeterTest, WhatIsNotHttp2IsLeftToGrpc) {
  meter_ =
      std::make_unique<Meter>(totals_, 1, now_, [this](absl::string_view why) { why_ = std::string(why); });
  EXPECT_EQ(HowOften(10'000, [](int) { return std::string("GET / HTTP/1.1\r\n\r\n"); }), 10'000);
}

TEST_F(MeterTest, OnlyTheBytesThatCameAreLookedAt) {
  const std::string begin = Begin(NextStream());
  const std::string garbage(100, '\xff');
  const iovec pieces[] = {{const_cast<char*>(begin.data()), begin.size()},
                          {const_cast<char*>(garbage.data()), garbage.size()}};
  EXPECT_TRUE(meter_->Received(pieces, begin.size(), now_));
  EXPECT_TRUE(Client(Bytes(FrameType::kData, 0, next_stream_, 77)));
  EXPECT_EQ(meter_->Holds(now_).unanswered_bytes, 77);
}

TEST_F(MeterTest, FramesAreFoundWhereverTheBytesAreCut) {
  std::string conversation(FrameParser::kPreface);
  for (int i = 0; i < 3; ++i) {
    conversation += Bytes(FrameType::kHeaders, 0, NextStream(), 3) +
                    Bytes(FrameType::kContinuation, Frame::kEndHeaders, next_stream_, 2);
    conversation +=
        Bytes(FrameType::kData, 0, next_stream_, 10) + Bytes(FrameType::kData, 0, next_stream_) + Ping();
  }
  for (size_t cut = 0; cut <= conversation.size(); ++cut) {
    meter_ =
        std::make_unique<Meter>(totals_, 1, now_, [this](absl::string_view why) { why_ = std::string(why); });
    ASSERT_TRUE(Client(conversation.substr(0, cut)) && Client(conversation.substr(cut)))
        << cut << ": " << why_;
    EXPECT_EQ(meter_->Holds(now_).streams, 3u) << cut;
    EXPECT_EQ(meter_->Holds(now_).unanswered_bytes, 30) << cut;
  }
}

TEST_F(MeterTest, AnyBytesComeToTheSameEndHoweverTheyAreCut) {
  std::mt19937 random(17);
  for (int i = 0; i < 3'000; ++i) {
    std::string input(1, static_cast<char>(random()));
    for (int frames = 1 + static_cast<int>(random() % 60); frames > 0; --frames) {
      const auto type = static_cast<FrameType>(random() % 11);
      const std::string frame = Bytes(type, static_cast<uint8_t>(random()), 1 + random() % 40, random() % 20);
      input +=
          static_cast<char>((random() % 2 == 0 ? 0x80 : 0) | (frame.size() - (random() % 50 == 0 ? 1 : 0)));
      input += frame;
    }
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
  }
}

TEST(Allowance, ComesBackAtItsRateUpToTheMost) {
  Allowance allowance(10, 2, 4, 100);
  EXPECT_TRUE(allowance.Take(100, 4));
  EXPECT_FALSE(allowance.Take(100, 1));
  EXPECT_TRUE(allowance.Take(101, 2));
  EXPECT_TRUE(allowance.Take(1000, 10));
  EXPECT_FALSE(allowance.Take(1000, 1));
  allowance.Earn(3);
  EXPECT_TRUE(allowance.Take(1000, 3));
  EXPECT_FALSE(allowance.Take(999, 1)) << "a clock that goes back gives nothing";
}

TEST(Inflation, NoMessageBecomesLongerThanAllowed) {
  Inflation::Limit(1 << 20);
  EXPECT_TRUE(Inflation::Grow(1 << 20, 1 << 20, 1 << 20, 100));
  EXPECT_FALSE(Inflation::Grow(1 << 20, (1 << 20) + 1, 1, 100));
}

TEST(Inflation, WhatCompressesAsUsualIsNotHeldToTheRate) {
  Inflation::Limit(1 << 20);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(Inflation::Grow(60'000, 500'000, 500'000, 100));
}

TEST(Inflation, WhatCompressesBetterIs) {
  Inflation::Limit(1 << 20);
  EXPECT_TRUE(Inflation::Grow(1'000, 1'000'000, 1'000'000, 100));
  EXPECT_FALSE(Inflation::Grow(1'000, 1'000'000, 1'000'000, 100));
  EXPECT_TRUE(Inflation::Grow(100, 60'000, 60'000, 100)) << "small ones do not matter";
  EXPECT_TRUE(Inflation::Grow(1'000, 1'000'000, 1'000'000, 101));
}

}  // namespace
}  // namespace errand::rpc
