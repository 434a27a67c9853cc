#include "server/handlers/email/smtp_data.h"

#include "absl/strings/string_view.h"

namespace errand::handlers {

void SmtpData::AppendTo(std::string& out, size_t bytes) {
  const size_t enough = out.size() + bytes;
  while (next_ < message_.size() && out.size() < enough) {
    if (line_start_ && message_[next_] == '.') out.push_back('.');
    // Looks no further than there is room: a long line would be searched again for every piece.
    const absl::string_view rest = message_.substr(next_, bytes);
    const size_t end = rest.find_first_of("\r\n");
    const absl::string_view text = rest.substr(0, end);
    out.append(text.data(), text.size());
    next_ += text.size();
    line_start_ = end != absl::string_view::npos;
    if (!line_start_) continue;
    out.append("\r\n");
    const bool pair = message_[next_] == '\r' && next_ + 1 < message_.size() && message_[next_ + 1] == '\n';
    next_ += pair ? 2 : 1;
  }
  if (next_ < message_.size() || done_) return;
  if (!line_start_) out.append("\r\n");
  done_ = true;
}

}  // namespace errand::handlers
