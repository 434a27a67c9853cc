#include "server/config/byte_size.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace errand::config {
namespace {

TEST(ByteSize, IsAWholeNumberOfBytesOrOfABinaryUnit) {
  EXPECT_EQ(ParseByteSize("0"), 0);
  EXPECT_EQ(ParseByteSize("1048577"), 1048577);
  EXPECT_EQ(ParseByteSize("3KiB"), 3 << 10);
  EXPECT_EQ(ParseByteSize("512MiB"), 512 << 20);
  EXPECT_EQ(ParseByteSize("512Mi"), 512 << 20) << "as Kubernetes writes it";
  EXPECT_EQ(ParseByteSize("2GiB"), int64_t{2} << 30);
  EXPECT_EQ(ParseByteSize("1TiB"), int64_t{1} << 40);
  EXPECT_EQ(ParseByteSize("9223372036854775807"), std::numeric_limits<int64_t>::max());
}

TEST(ByteSize, AnythingElseIsNone) {
  for (const char* text : {"", "MiB", "1.5GiB", "-1", "+1", " 1", "1 MiB", "1MB", "1mib", "1MiBB", "0x10",
                           "all", "9223372036854775808", "8388608TiB"}) {
    EXPECT_EQ(ParseByteSize(text), std::nullopt) << text;
  }
}

TEST(ByteSize, ItsTextReadsBackAsTheSame) {
  for (int64_t bytes : {int64_t{0}, int64_t{1}, int64_t{1023}, int64_t{1024}, int64_t{1} << 20,
                        int64_t{5} << 30, (int64_t{5} << 30) + 1, int64_t{1} << 60}) {
    EXPECT_EQ(ParseByteSize(FormatByteSize(bytes)), bytes) << FormatByteSize(bytes);
  }
  EXPECT_EQ(FormatByteSize(int64_t{1} << 30), "1GiB");
}

}  // namespace
}  // namespace errand::config
