#include "client/cli/task_card.h"

#include <algorithm>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "client/cli/card.h"
#include "client/cli/event_rows.h"
#include "client/cli/printable.h"
#include "client/cli/progress_bar.h"

namespace errand::cli {
namespace {

std::string DescribeUsage(const v1::Usage& usage) {
  return absl::StrFormat("%s, cpu %s, peak memory %d bytes, output %d bytes",
                         DescribeDuration(usage.wall_time()), DescribeDuration(usage.cpu_time()),
                         usage.peak_memory_bytes(), usage.output_bytes());
}

// "1  2030-01-31 08:00:00.000+00:00  1.5s  LUA_ERROR: boom"; the wall time is missing while it runs.
std::string AttemptRows(const v1::Task& task) {
  std::string rows;
  for (const v1::Attempt& attempt : task.attempts()) {
    std::string row = absl::StrCat(attempt.number(), "  ", DescribeTime(attempt.start_time()));
    if (attempt.has_usage()) absl::StrAppend(&row, "  ", DescribeDuration(attempt.usage().wall_time()));
    const std::string error = DescribeError(attempt.error());
    if (attempt.has_error()) absl::StrAppend(&row, "  ", Printable(error.substr(0, error.find('\n'))));
    absl::StrAppend(&rows, row, "\n");
  }
  return rows;
}

// Text as it is, other bytes by their type and size alone.
std::string ShowResult(const v1::TaskResult& result) {
  std::string text = DescribeResult(result);
  if (result.has_email()) return absl::StrCat(text, "\n", RecipientRows(result.email()));
  if (!result.data().empty() && IsUtf8(result.data())) {
    absl::StrAppend(&text, "\n", Printable(result.data(), true));
  }
  return text;
}

}  // namespace

std::string TaskCard(const v1::Task& task, const Terminal& terminal) {
  std::string card;
  AddFact(card, "name", Printable(task.name()));
  AddFact(card, "state", terminal.Paint(StateWord(task.state()), task.state()));
  AddFact(card, "kind", task.has_lua() ? "lua" : task.has_email() ? "email" : "");
  if (task.lua().has_script()) {
    AddFact(card, "script", Printable(absl::StrCat(task.lua().script(), "@", task.lua().script_version())));
  }
  if (task.priority() != 0) AddFact(card, "priority", absl::StrCat(task.priority()));
  AddFact(card, "attempts", absl::StrCat(task.attempt_count()));
  AddFact(card, "ordering", Printable(task.ordering_key()));
  AddFact(card, "parent", Printable(task.parent_task()));
  if (task.root_task() != task.parent_task()) AddFact(card, "root", Printable(task.root_task()));
  if (task.has_schedule_time() && !task.has_start_time()) AddTime(card, "due", task.schedule_time());
  if (task.has_expire_time() && !task.has_start_time()) AddTime(card, "expires", task.expire_time());
  if (task.has_create_time()) AddTime(card, "created", task.create_time());
  if (task.has_start_time()) AddTime(card, "started", task.start_time());
  if (task.has_end_time()) AddTime(card, "ended", task.end_time());
  if (task.has_progress()) AddFact(card, "progress", DescribeProgress(task.progress()));
  const std::map<std::string, std::string> labels(task.labels().begin(), task.labels().end());
  for (const auto& [key, value] : labels) AddFact(card, "label", Printable(absl::StrCat(key, "=", value)));
  if (task.has_error()) AddFact(card, "error", Printable(DescribeError(task.error()), true));
  if (task.attempts_size() > 1) AddFact(card, "history", AttemptRows(task));
  if (task.has_result()) AddFact(card, "result", ShowResult(task.result()));
  if (task.has_usage()) AddFact(card, "usage", DescribeUsage(task.usage()));
  return card;
}

namespace {

// Older servers say only whether it has accepted.
std::string RecipientWord(const v1::RecipientReply& recipient) {
  if (recipient.state() == v1::RECIPIENT_STATE_UNSPECIFIED)
    return recipient.accepted() ? "accepted" : "refused";
  absl::string_view name = v1::RecipientState_Name(recipient.state());
  absl::ConsumePrefix(&name, "RECIPIENT_STATE_");
  return absl::AsciiStrToLower(name);
}

}  // namespace

std::string RecipientRows(const v1::EmailReceipt& receipt) {
  size_t width = 0;
  for (const v1::RecipientReply& recipient : receipt.recipients()) {
    width = std::max(width, recipient.address().size());
  }
  std::string rows;
  for (const v1::RecipientReply& recipient : receipt.recipients()) {
    const v1::SmtpReply& reply = recipient.reply();
    std::string said;
    if (reply.code() != 0) absl::StrAppend(&said, reply.code(), " ");
    // Many servers repeat the enhanced code in the text.
    if (!reply.enhanced_code().empty() && !absl::StartsWith(reply.text(), reply.enhanced_code())) {
      absl::StrAppend(&said, reply.enhanced_code(), " ");
    }
    absl::StrAppend(&said, reply.text());
    std::string row = absl::StrFormat("%-8s  %-*s  %s", RecipientWord(recipient), static_cast<int>(width),
                                      Printable(recipient.address()), Printable(said));
    absl::StripTrailingAsciiWhitespace(&row);
    absl::StrAppend(&rows, row, "\n");
  }
  return rows;
}

}  // namespace errand::cli
