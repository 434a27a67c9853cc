#include "server/store/log/data_survey.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "server/store/log/log_journal.h"
#include "server/store/log/segment_files.h"
#include "server/store/memory/changes.pb.h"
#include "server/store/memory/rehearsal.h"
#include "server/task/state.h"

namespace errand::store::log {
namespace {

std::string StateName(v1::TaskState state) {
  return std::string(absl::StripPrefix(v1::TaskState_Name(state), "TASK_STATE_"));
}

std::string Where(Place place) { return absl::StrCat(SegmentName(place.segment), ", byte ", place.offset); }

// The task that a change is of; 0 where it is of none, or adds it.
uint64_t ChangedTask(const Change& change) {
  switch (change.change_case()) {
    case Change::kTaskMoved:
      return change.task_moved().order();
    case Change::kTaskReported:
      return change.task_reported().order();
    case Change::kTaskResultKept:
      return change.task_result_kept().order();
    case Change::kTaskCancelRequested:
      return change.task_cancel_requested().order();
    case Change::kTaskForgotten:
      return change.task_forgotten().order();
    case Change::kPastStored:
      return change.past_stored().order();
    default:
      return 0;
  }
}

class Survey final : public SalvageVisitor {
 public:
  Survey(bool parts_missing, const absl::flat_hash_set<uint64_t>& left_out, KeepChange keep)
      : parts_missing_(parts_missing), left_out_(left_out), keep_(keep), rehearsal_(parts_missing) {}

  absl::Status OnRecord(Place place, const Record& record, uint64_t bytes) override;
  absl::Status OnIndexed(Place place, const Record& record, uint64_t bytes) override;
  absl::Status OnDamage(const Damage& damage) override;

  DataSurvey Finish(const Salvaged& log);

 private:
  // A task of whose being added nothing can be read, or not enough.
  struct Lost {
    std::string name;  // Empty: not known.
    std::string where;
    v1::TaskState state = v1::TASK_STATE_UNSPECIFIED;  // The last that is known.
    int64_t changes = 0;
    bool forgotten = false;  // Later: it is not missed.
  };

  absl::Status Parse(Place place, const Record& record);
  // Of the change that was parsed.
  absl::Status Make(Place place, absl::string_view change, absl::string_view attachment, uint64_t bytes);
  // False if it is of a task that is not there.
  bool HasTask(Place place);
  // Of what cannot be read the numbers of the tasks before and behind it say how many were added there.
  void CountMissing(const TaskAdded& added);
  absl::Status ForgetNamesake(Place place, const TaskAdded& added);
  void Find(std::string finding) {
    survey_.findings.push_back(std::move(finding));
    survey_.segments_are_whole = false;
  }

  const bool parts_missing_;
  const absl::flat_hash_set<uint64_t>& left_out_;
  const KeepChange keep_;
  Rehearsal rehearsal_;
  DataSurvey survey_;
  Change change_;
  std::map<uint64_t, Lost> lost_;
  uint64_t last_order_ = 0;  // The highest that was seen.
  uint64_t last_added_ = 0;  // The same of tasks that were added, and not said again.
  std::string unread_;       // Something that cannot be read; empty once a task was added behind it.
};

absl::Status Survey::OnDamage(const Damage& damage) {
  if (damage.index_only) {
    survey_.damaged_indexes.push_back(damage.file);
  } else {
    survey_.segments_are_whole = false;
    if (unread_.empty()) unread_ = absl::StrCat(damage.file, ", byte ", damage.offset);
  }
  survey_.findings.push_back(absl::StrCat(damage.file, ", byte ", damage.offset, ": ", damage.what));
  return absl::OkStatus();
}

absl::Status Survey::Parse(Place place, const Record& record) {
  if (record.type != kChange) {
    return absl::FailedPreconditionError(absl::StrCat(Where(place), ": records of type ", record.type,
                                                      " are not known; use the errandd that wrote it"));
  }
  if (!change_.ParseFromArray(record.body.data(), static_cast<int>(record.body.size()))) {
    Find(absl::StrCat(Where(place), ": a change is not readable; it is left out"));
    change_.Clear();
    return absl::OkStatus();
  }
  if (change_.change_case() != Change::CHANGE_NOT_SET) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(Where(place), ": a change of a kind that is not known; use the errandd that wrote it"));
}

absl::Status Survey::OnRecord(Place place, const Record& record, uint64_t bytes) {
  if (absl::Status parsed = Parse(place, record); !parsed.ok()) return parsed;
  return Make(place, record.body, record.attachment, bytes);
}

absl::Status Survey::OnIndexed(Place place, const Record& record, uint64_t bytes) {
  if (absl::Status parsed = Parse(place, record); !parsed.ok()) return parsed;
  if (change_.has_past_stored()) {
    const std::string name = rehearsal_.TaskName(ChangedTask(change_));
    if (!name.empty())
      Find(absl::StrCat(Where(place), ": lost: the result of ", name,
                        ", and its events but those said elsewhere"));
    return absl::OkStatus();
  }
  if (!change_.has_task_added() || change_.task_added().body_bytes() == 0) {
    return Make(place, record.body, "", bytes);
  }
  const TaskAdded& added = change_.task_added();
  CountMissing(added);
  Lost& lost = lost_[added.order()];
  lost.name = added.name();
  lost.where = Where(place);
  lost.state = added.first().state();
  last_order_ = std::max(last_order_, added.order());
  // What was said of it before has had its place taken by what is lost now.
  return absl::OkStatus();
}

bool Survey::HasTask(Place place) {
  const uint64_t order = ChangedTask(change_);
  if (order == 0 || !rehearsal_.TaskName(order).empty()) return true;
  last_order_ = std::max(last_order_, order);
  // Of a task whose part was dropped nothing is missed.
  if (parts_missing_ && !lost_.contains(order)) return true;
  Lost& lost = lost_[order];
  if (lost.where.empty()) lost.where = Where(place);
  ++lost.changes;
  if (change_.has_task_moved()) lost.state = change_.task_moved().state();
  if (change_.has_task_forgotten()) lost.forgotten = true;
  return false;
}

void Survey::CountMissing(const TaskAdded& added) {
  if (added.again()) return;
  if (!unread_.empty() && (last_added_ != 0 || !parts_missing_)) {
    for (uint64_t order = last_added_ + 1; order < added.order(); ++order) {
      if (!rehearsal_.TaskName(order).empty()) continue;
      Lost& lost = lost_[order];
      if (lost.name.empty()) lost.where = unread_;
    }
  }
  unread_.clear();
  last_added_ = std::max(last_added_, added.order());
}

absl::Status Survey::ForgetNamesake(Place place, const TaskAdded& added) {
  const uint64_t namesake = rehearsal_.TaskOrder(added.name());
  if (namesake == 0 || namesake >= added.order()) return absl::OkStatus();
  Find(absl::StrCat(Where(place), ": ", added.name(),
                    " is added; an earlier task of that name is left out: that it was deleted is lost"));
  Change forgotten;
  forgotten.mutable_task_forgotten()->set_order(namesake);
  const std::string bytes = forgotten.SerializeAsString();
  if (absl::Status made = rehearsal_.Apply(0, bytes, bytes.size()); !made.ok()) return made;
  return keep_(bytes, "");
}

absl::Status Survey::Make(Place place, absl::string_view change, absl::string_view attachment,
                          uint64_t bytes) {
  if (change_.change_case() == Change::CHANGE_NOT_SET) return absl::OkStatus();
  if (change_.has_task_added()) {
    const TaskAdded& added = change_.task_added();
    last_order_ = std::max(last_order_, added.order());
    CountMissing(added);
    if (left_out_.contains(added.order())) return absl::OkStatus();
    // Of one task there is only one name: that the first was forgotten is what cannot be read.
    if (absl::Status forgotten = ForgetNamesake(place, added); !forgotten.ok()) return forgotten;
  } else if (left_out_.contains(ChangedTask(change_)) || !HasTask(place)) {
    return absl::OkStatus();
  }
  const absl::Status made = rehearsal_.Apply(place.segment, change, bytes);
  if (!made.ok()) {
    const std::string name = rehearsal_.TaskName(ChangedTask(change_));
    Find(absl::StrCat(Where(place), ": left out: ", made.message(), name.empty() ? "" : ": ", name));
    return absl::OkStatus();
  }
  // The parts that this is of are not those that the changes are kept in.
  return change_.has_part_dropped() ? absl::OkStatus() : keep_(change, attachment);
}

DataSurvey Survey::Finish(const Salvaged& log) {
  survey_.log = log;
  if (log.first > rehearsal_.dropped_part() + 1) {
    const uint64_t first = rehearsal_.dropped_part() + 1;
    Find(absl::StrCat(SegmentName(first), ", byte 0: ",
                      first + 1 == log.first
                          ? "is missing"
                          : absl::StrCat("and all up to ", SegmentName(log.first - 1), " are missing"),
                      "; what was in there is not known"));
  }
  for (const auto& [order, lost] : lost_) {
    if (lost.forgotten || !rehearsal_.TaskName(order).empty()) continue;  // It is said again later.
    const std::string task =
        lost.name.empty() ? absl::StrCat("a task whose name is not known (number ", order, ")") : lost.name;
    const std::string state =
        lost.state == v1::TASK_STATE_UNSPECIFIED ? "" : absl::StrCat(", which was ", StateName(lost.state));
    const std::string changes =
        lost.changes == 0
            ? ""
            : absl::StrCat("; what is said of it later is left out: ", lost.changes, " changes");
    Find(absl::StrCat(lost.where, ": lost: ", task, state, changes));
  }
  for (const Rehearsal::Scriptless& task : rehearsal_.TasksWithoutScript()) {
    survey_.scriptless.insert(task.order);
    Find(absl::StrCat("lost: ", rehearsal_.TaskName(task.order), ": it runs version ", task.version, " of ",
                      task.script, ", which is lost"));
  }
  survey_.tasks = rehearsal_.TasksByState();
  Change dropped;
  dropped.ParseFromString(rehearsal_.DescribePartDropped(log.last));
  PartDropped& all = *dropped.mutable_part_dropped();
  // No number is used twice.
  all.set_next_order(std::max(all.next_order(), last_order_ + 1));
  survey_.log_dropped = dropped.SerializeAsString();
  return std::move(survey_);
}

}  // namespace

std::vector<std::string> DataSurvey::Lines() const {
  std::vector<std::string> states;
  for (const auto& [state, count] : tasks) {
    if (count > 0) states.push_back(absl::StrCat(count, " ", StateName(state)));
  }
  std::vector<std::string> lines = {
      absl::StrCat("segments: ", log.segments),
      absl::StrCat("records: ", log.records),
      absl::StrCat("bytes: ", log.bytes),
      absl::StrCat("tasks: ", states.empty() ? "none" : absl::StrJoin(states, ", ")),
      log.torn ? "the end: behind it are the remains of a write that was interrupted; nobody was told that "
                 "it is safe"
               : "the end: whole",
  };
  if (log.segments > 0 && !log.end_unknown.empty()) {
    lines.back() += absl::StrCat(", as far as the segments say: ", log.end_unknown);
  }
  lines.insert(lines.end(), findings.begin(), findings.end());
  return lines;
}

absl::StatusOr<DataSurvey> SurveyData(const FileSystem& folder, const absl::flat_hash_set<uint64_t>& left_out,
                                      KeepChange keep) {
  const absl::StatusOr<std::vector<std::string>> names = folder.List();
  if (!names.ok()) return names.status();
  if (absl::Status whole = CheckNoRepair(*names); !whole.ok()) return whole;
  uint64_t first = 0;
  for (const std::string& name : *names) {
    const uint64_t number = SegmentNumber(name);
    if (number != 0 && (first == 0 || number < first)) first = number;
  }
  Survey survey(/*parts_missing=*/first > 1, left_out, keep);
  const absl::StatusOr<Salvaged> log = SalvageLog(folder, survey);
  if (!log.ok()) return log.status();
  return survey.Finish(*log);
}

}  // namespace errand::store::log
