#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "server/handlers/email/smtp_reply.h"

// The first byte is the size of the pieces that the rest arrives in.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using errand::handlers::SmtpReplyParser;
  if (size == 0) return 0;
  absl::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
  const size_t piece_bytes = 1 + data[0];
  SmtpReplyParser parser;
  while (!input.empty()) {
    absl::string_view piece = input.substr(0, piece_bytes);
    input.remove_prefix(piece.size());
    while (!piece.empty()) {
      const auto result = parser.Feed(piece);
      if (result == SmtpReplyParser::Result::kMalformed) return 0;
      if (result == SmtpReplyParser::Result::kReply && parser.TakeReply().code() < 200) __builtin_trap();
    }
  }
  return 0;
}
