#include "server/rpc/suspects.h"

#include <gtest/gtest.h>

namespace errand::rpc {
namespace {

constexpr PeerAddress::Network kNetwork = {0, 0, 0xff, 0xff, 192, 0, 2, 1};
constexpr PeerAddress::Network kOther = {0, 0, 0xff, 0xff, 192, 0, 2, 2};

int Admitted(Suspects& suspects, const PeerAddress::Network& network, double now) {
  int admitted = 0;
  while (admitted < 1000 && suspects.Admit(network, now)) ++admitted;
  return admitted;
}

TEST(Suspects, OneCutMakesNoSuspect) {
  Suspects suspects;
  suspects.OnCut(kNetwork, 100);
  EXPECT_FALSE(suspects.Contains(kNetwork, 100));
  EXPECT_EQ(Admitted(suspects, kNetwork, 100), 1000);
}

TEST(Suspects, ThoseThatAreCutAgainAndAgainComeInSlowly) {
  Suspects suspects;
  for (int i = 0; i < 5; ++i) suspects.OnCut(kNetwork, 100);
  EXPECT_TRUE(suspects.Contains(kNetwork, 101));
  EXPECT_LT(Admitted(suspects, kNetwork, 101), 100);
  EXPECT_EQ(Admitted(suspects, kNetwork, 101), 0);
  EXPECT_GT(Admitted(suspects, kNetwork, 101.5), 0) << "and do come in";
  EXPECT_FALSE(suspects.Contains(kOther, 101));
  EXPECT_EQ(Admitted(suspects, kOther, 101), 1000);
}

TEST(Suspects, AreForgivenAfterAWhile) {
  Suspects suspects;
  for (int i = 0; i < 5; ++i) suspects.OnCut(kNetwork, 100);
  EXPECT_FALSE(suspects.Contains(kNetwork, 111));
  EXPECT_EQ(Admitted(suspects, kNetwork, 111), 1000);
  suspects.OnCut(kNetwork, 120);
  EXPECT_FALSE(suspects.Contains(kNetwork, 120));
}

}  // namespace
}  // namespace errand::rpc
