#include "server/service/result_pieces.h"

#include <string>

namespace errand::service {
namespace {

// Of `data`, or of the recipients: a piece ends with the one that brings it here.
constexpr size_t kPieceBytes = 512 << 10;

}  // namespace

void ResultPieces::Next(v1::ReadResultResponse& response) {
  response.Clear();
  response.set_data_bytes(static_cast<int64_t>(result_.data().size()));
  v1::TaskResult& piece = *response.mutable_piece();
  if (!started_) {
    started_ = true;
    piece.set_content_type(result_.content_type());
    if (result_.has_email()) {
      piece.mutable_email()->set_message_id(result_.email().message_id());
      if (result_.email().has_message_reply()) {
        *piece.mutable_email()->mutable_message_reply() = result_.email().message_reply();
      }
    }
  }
  piece.set_data(result_.data().substr(data_sent_, kPieceBytes));
  data_sent_ += piece.data().size();
  for (size_t bytes = 0; recipients_sent_ < result_.email().recipients_size() && bytes < kPieceBytes;) {
    v1::RecipientReply& reply = *piece.mutable_email()->add_recipients();
    reply.Swap(result_.mutable_email()->mutable_recipients(recipients_sent_++));
    bytes += reply.ByteSizeLong();
  }
}

}  // namespace errand::service
