#include "server/service/result_pieces.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace errand::service {
namespace {

// What a client makes of the pieces, each of which must be small.
v1::TaskResult PutTogether(ResultPieces pieces, int* count) {
  v1::TaskResult result;
  std::string data;
  v1::ReadResultResponse response;
  *count = 0;
  while (pieces.more()) {
    pieces.Next(response);
    ++*count;
    EXPECT_LT(response.ByteSizeLong(), 1u << 20);
    data += response.piece().data();
    response.mutable_piece()->clear_data();
    result.MergeFrom(response.piece());
  }
  EXPECT_EQ(response.data_bytes(), static_cast<int64_t>(data.size()));
  result.set_data(std::move(data));
  return result;
}

TEST(ResultPieces, LargeDataComesInPieces) {
  v1::TaskResult result;
  result.set_content_type("application/json");
  for (int i = 0; i < 500'000; ++i) absl::StrAppend(result.mutable_data(), i);
  int count = 0;
  EXPECT_EQ(PutTogether(ResultPieces(result), &count).SerializeAsString(), result.SerializeAsString());
  EXPECT_GT(count, 4);
}

TEST(ResultPieces, NothingIsOnePiece) {
  int count = 0;
  EXPECT_EQ(PutTogether(ResultPieces(v1::TaskResult()), &count).ByteSizeLong(), 0u);
  EXPECT_EQ(count, 1);
}

TEST(ResultPieces, TheRepliesOfManyRecipientsComeInPieces) {
  v1::TaskResult result;
  v1::EmailReceipt& receipt = *result.mutable_email();
  receipt.set_message_id("<id@example.org>");
  receipt.mutable_message_reply()->set_code(250);
  for (int i = 0; i < 1000; ++i) {
    v1::RecipientReply& reply = *receipt.add_recipients();
    reply.set_address(absl::StrCat("r", i, "@example.org"));
    reply.mutable_reply()->set_text(std::string(4096, 't'));
  }
  int count = 0;
  EXPECT_EQ(PutTogether(ResultPieces(result), &count).SerializeAsString(), result.SerializeAsString());
  EXPECT_GT(count, 7);
}

}  // namespace
}  // namespace errand::service
